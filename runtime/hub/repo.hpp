// A repository of the Hub and a revision of it, as users write them.

#pragma once

#include "runtime/base/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace larql::hub {

/// What a path starts with that means a repository: "hf://".
inline constexpr std::string_view scheme = "hf://";

[[nodiscard]] inline bool is_hub_path(std::string_view text) noexcept {
  return text.starts_with(scheme);
}

struct repo {
  std::string owner;
  std::string name;
  std::string revision = "main"; ///< branch, tag or commit

  /// "owner/name"
  [[nodiscard]] std::string id() const { return owner + "/" + name; }
  friend bool operator==(const repo&, const repo&) = default;
};

/// "hf://OWNER/NAME" or "hf://OWNER/NAME@REVISION". Owner and name consist of letters, digits and
/// "-_.", so that they are harmless in URLs and file names.
[[nodiscard]] result<repo> parse_hub_path(std::string_view text);

/// A model of a repository: the repository's own, or one of its GGUF files.
struct model_address {
  hub::repo repo;
  std::string quant; ///< "Q4_K_M": the file whose name ends in it
  std::string file;  ///< a file by its path in the repository

  [[nodiscard]] bool names_gguf() const noexcept { return !quant.empty() || !file.empty(); }
  /// As users write it.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const model_address&, const model_address&) = default;
};

/// A hub path, with ":QUANT" or "/FILE.gguf" behind it, or without.
[[nodiscard]] result<model_address> parse_model_address(std::string_view text);

/// "OWNER/NAME" without scheme and revision; `what` names the option in errors.
[[nodiscard]] result<repo> parse_repo_id(std::string_view text, std::string_view what);

/// Whether a commit is named by its full hash: 40 hexadecimal digits.
[[nodiscard]] bool is_commit_hash(std::string_view revision) noexcept;

/// Whether `path` may be created below a directory of ours: relative, of ordinary components ("..",
/// "" and what starts with a dot are none), in ASCII without control characters, of bounded length.
[[nodiscard]] bool is_harmless_path(std::string_view path) noexcept;

} // namespace larql::hub
