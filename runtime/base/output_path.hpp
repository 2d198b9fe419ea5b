// Where a command's output goes, and what must not be lost there.
//
// Errors    errc::usage, naming what is there.

#pragma once

#include "runtime/base/result.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larql {

/// The path that an output really has: links are followed (to a target that need not exist), a
/// slash at the end is taken away. An empty path is an error.
[[nodiscard]] result<std::filesystem::path> output_path(const std::filesystem::path& given);

/// "a directory", "a pipe", …: what has this name, links followed. Empty if nothing has it.
[[nodiscard]] std::string kind_of_file(const std::filesystem::path& path);

/// What a command may replace with a directory that it makes, and what it may not.
struct output_rules {
  bool replace = false;                       ///< --force
  std::string_view kind;                      ///< of what is made, for messages: "vindex"
  std::vector<std::filesystem::path> sources; ///< what is read while the output is made
  /// Whether files of this name are made by such commands; names are relative to the directory,
  /// those of directories end in '/'.
  std::function<bool(std::string_view)> is_known;
  /// An error unless the directory, which has known files only, is what `kind` says;
  /// errc::unavailable if another process is writing to it.
  std::function<result<void>(const std::filesystem::path&)> check_kind;
};

/// The first file of a directory that has no known name; nothing if all have one.
[[nodiscard]] result<std::optional<std::string>>
find_foreign(const std::filesystem::path& dir,
             const std::function<bool(std::string_view)>& is_known);

/// An error if something that must stay lies in this directory, or is it: the working directory, a
/// source; and if it is a mount point, or no directory at all.
[[nodiscard]] result<void> check_removable(const std::filesystem::path& dir,
                                           const output_rules& rules);

/// Why --force would not help, for the end of a message.
[[nodiscard]] std::string only_replaces(const output_rules& rules);

} // namespace larql
