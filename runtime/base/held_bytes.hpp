// Beside a file of which only some bytes are there: which ones. FILE.held is text, appended to; a
// line that a crash cut short does not count.
//
//   larql-held 1 SIZE     the size of the file when it is whole
//   BEGIN END             bytes that are there, on disk
//
// Owner     A held_writer owns its descriptor.
// Errors    Name the file.

#pragma once

#include "runtime/base/interval_set.hpp"
#include "runtime/base/result.hpp"

#include <filesystem>
#include <optional>
#include <string_view>

namespace larql {

/// FILE.held
[[nodiscard]] std::filesystem::path held_path(const std::filesystem::path& file);

/// The bytes of a file that are there. Nothing if it has no such list: then it is whole.
[[nodiscard]] result<std::optional<interval_set>> read_held(const std::filesystem::path& file);

/// The same from text. What is damaged ends the list; one for a file of another size is empty.
[[nodiscard]] interval_set parse_held(std::string_view text, std::uint64_t bytes);

/// Writes the list of a file of `bytes` anew. @pre what is held is on disk
[[nodiscard]] result<void> write_held(const std::filesystem::path& file, const interval_set& held,
                                      std::uint64_t bytes);

/// Notes bytes as they come. One at a time for a file: the caller has a lock.
class held_writer {
public:
  /// Goes on with the list of a file of `bytes`, or begins one. Damage is written anew.
  [[nodiscard]] static result<held_writer> open(const std::filesystem::path& file,
                                                std::uint64_t bytes);

  held_writer(held_writer&& other) noexcept;
  held_writer& operator=(held_writer&& other) noexcept;
  ~held_writer();

  [[nodiscard]] const interval_set& held() const noexcept { return held_; }
  /// @pre the bytes are on disk
  [[nodiscard]] result<void> add(interval i);

private:
  held_writer() = default;
  std::filesystem::path path_;
  int fd_ = -1;
  interval_set held_;
};

} // namespace larql
