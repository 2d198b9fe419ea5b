// A directory that gets its real name when everything in it is finished. Until then it is called
// DESTINATION.partial, and a run that was killed goes on in it.
//
// Owner     What is unfinished stays for the next run; a directory in which nothing was made goes.
//           Killed at any moment, a run leaves the old destination or the new one, and all it made.
// Errors    Name the directory and the operation.

#pragma once

#include "runtime/base/result.hpp"

#include <filesystem>
#include <string_view>

namespace larql {

class unfinished_directory {
public:
  /// `state` says what is being made and of what. A partial directory with the same state is
  /// continued, one with another is removed. A destination that exists is errc::usage, unless
  /// `replace`.
  [[nodiscard]] static result<unfinished_directory> open(const std::filesystem::path& destination,
                                                         std::string_view state, bool replace);

  /// Where to write.
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return partial_; }

  /// Gives the directory its real name, in place of what was there before. If making it failed,
  /// that is the error.
  [[nodiscard]] result<void> finish(result<void> made = {});

private:
  unfinished_directory() = default;
  void remove_if_empty() const;
  std::filesystem::path destination_;
  std::filesystem::path partial_;
  bool replace_ = false;
};

/// Creates a directory and its parents.
[[nodiscard]] result<void> make_directories(const std::filesystem::path& path);

/// An error if the destination exists and may not be replaced. For saying so before long work.
[[nodiscard]] result<void> check_destination(const std::filesystem::path& destination,
                                             bool replace);

} // namespace larql
