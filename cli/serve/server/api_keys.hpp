// The keys that let clients in: one to a line of a file, of which only digests are kept.
//
// Errors    Name the file and the line.
// Threads   Immutable; a new set replaces an old one.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/base/sha256.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larql::serve {

class api_keys {
public:
  static constexpr std::size_t min_key_bytes = 16;
  static constexpr std::size_t max_key_bytes = 512;

  /// No keys: everybody may come in.
  api_keys() = default;
  /// Empty lines and those that begin with # are skipped. A file without a key is an error.
  [[nodiscard]] static result<api_keys> read(const std::filesystem::path& file);
  /// The same of a text; `name` stands for the file.
  [[nodiscard]] static result<api_keys> parse(std::string_view text, std::string_view name);

  [[nodiscard]] bool empty() const noexcept { return digests_.empty(); }

  /// What tells the owner of a key from others, without the key: some digits of its digest. Nothing
  /// if it is none of the keys. Takes the same time for each key and each wrong one.
  [[nodiscard]] std::optional<std::string> identify(std::string_view key) const;

private:
  std::vector<sha256_digest> digests_;
};

/// The key of a request: of "Authorization: Bearer KEY", else of "x-api-key: KEY".
[[nodiscard]] std::string_view key_of(std::string_view authorization, std::string_view x_api_key);

} // namespace larql::serve
