// Writes a file under a temporary name and renames it when it is complete and on disk: a file with
// the real name is always a whole file.
//
// Owner     The temporary file goes with the writer. One that a killed process left stays until
//           remove_temporary_files(). Its name is random and it is never one that was there.
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

/// What happens to a file that has the name already.
enum class existing_file { replace, keep };

class file_writer {
public:
  /// Starts a temporary file beside `path`.
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
  /// power. The writer is finished afterwards. With existing_file::keep, a file that has the name
  /// is errc::usage.
  [[nodiscard]] result<void> commit(existing_file existing = existing_file::replace);

private:
  file_writer() = default;
  [[nodiscard]] failure error(std::string_view what) const;
  [[nodiscard]] result<void> rename(existing_file existing);

  std::filesystem::path path_;
  std::filesystem::path temporary_; ///< empty: there is none (any more)
  int fd_ = -1;
  std::uint64_t written_ = 0;
};

/// Whether a file has a name as file_writer gives to temporary ones.
[[nodiscard]] bool is_temporary_name(std::string_view file_name) noexcept;

/// Removes what killed processes left in a directory and below it. @pre nobody writes there
[[nodiscard]] result<void> remove_temporary_files(const std::filesystem::path& dir);

/// A name that nobody can foresee: 16 hexadecimal digits.
[[nodiscard]] std::string random_name();

/// Flushes the names in a directory to disk: what was renamed or created in it stays so after a
/// loss of power.
[[nodiscard]] result<void> sync_directory(const std::filesystem::path& path);

/// Writes a small file in one go, the same way.
[[nodiscard]] result<void> write_text_file(const std::filesystem::path& path, std::string_view text,
                                           file_access access = file_access::everybody);

} // namespace larql
