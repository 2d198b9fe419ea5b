// A directory that gets its real name when everything in it is finished. Until then it is called
// DESTINATION.partial, and a run that was killed goes on in it.
//
// What makes it ours is its file .unfinished.json: a line that says what is being made, and one for
// each step of giving it its name. It is locked while a process works here.
//
// Owner     What is unfinished stays for the next run; a directory in which nothing was made goes.
//           Killed at any moment, a run leaves the old destination or the new one, and all it made.
// Errors    Name the directory and the operation, or what is there and must not be replaced.

#pragma once

#include "runtime/base/output_path.hpp"
#include "runtime/base/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace larql {

class unfinished_directory {
public:
  /// `state` says in one line what is being made and of what. A partial directory with the same
  /// state is continued; one with another, like a destination that exists, is errc::usage unless
  /// `rules` let it be replaced. errc::unavailable, with its number, if another process works here.
  [[nodiscard]] static result<unfinished_directory>
  open(const std::filesystem::path& destination, std::string_view state, output_rules rules);

  unfinished_directory(unfinished_directory&& other) noexcept;
  unfinished_directory& operator=(unfinished_directory&& other) noexcept;
  ~unfinished_directory();

  /// Where to write.
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return partial_; }

  /// Gives the directory its real name, in place of what was there before. If making it failed,
  /// that is the error. The lock is let go.
  [[nodiscard]] result<void> finish(result<void> made = {});

private:
  unfinished_directory() = default;
  [[nodiscard]] result<bool> take_lock();
  [[nodiscard]] result<void> begin(std::string_view state);
  [[nodiscard]] result<void> note(std::string_view step);
  [[nodiscard]] result<void> give_name();
  [[nodiscard]] result<void> replace();
  void remove_if_empty() const;
  void let_go();

  std::filesystem::path destination_;
  std::filesystem::path partial_;
  output_rules rules_;
  int fd_ = -1; // of the state file, locked
};

/// Creates a directory and its parents.
[[nodiscard]] result<void> make_directories(const std::filesystem::path& path);

/// An error if the destination exists and may not be replaced. For saying so before long work.
[[nodiscard]] result<void> check_destination(const std::filesystem::path& destination,
                                             const output_rules& rules);

} // namespace larql
