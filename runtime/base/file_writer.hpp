// Writes a file under a temporary name and renames it when it is complete and on disk: a file with
// the real name is always a whole file.
//
// Owner     Removes nothing: an unfinished temporary file stays until it is overwritten.
// Errors    Name the file and the operation; a full disk says so.

#pragma once

#include "runtime/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace larql {

/// Who may read a new file.
enum class file_access { everybody, owner_only };

class file_writer {
public:
  /// Starts `path`.tmp, truncating what a killed run left there.
  [[nodiscard]] static result<file_writer> create(const std::filesystem::path& path,
                                                  file_access access = file_access::everybody);

  file_writer(file_writer&& other) noexcept;
  file_writer& operator=(file_writer&& other) noexcept;
  ~file_writer();

  [[nodiscard]] result<void> write(std::span<const std::byte> bytes);
  /// Leaves out the next bytes: they read as zeros and take no space where the file system can.
  [[nodiscard]] result<void> skip(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return written_; }

  /// Flushes to disk, renames, and flushes the directory, so that the name survives a loss of
  /// power. The writer is finished afterwards.
  [[nodiscard]] result<void> commit();

private:
  file_writer() = default;
  [[nodiscard]] failure error(std::string_view what) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  std::uint64_t written_ = 0;
};

/// Flushes the names in a directory to disk: what was renamed or created in it stays so after a
/// loss of power.
[[nodiscard]] result<void> sync_directory(const std::filesystem::path& path);

/// Writes a small file in one go, the same way.
[[nodiscard]] result<void> write_text_file(const std::filesystem::path& path, std::string_view text,
                                           file_access access = file_access::everybody);

} // namespace larql
