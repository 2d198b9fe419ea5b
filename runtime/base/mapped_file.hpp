// Read-only access to files: an open descriptor with a known size, and memory maps of parts of it.
//
// Owner     Both classes own their resource and are movable.
// Threads   Immutable after construction; reading from several threads is fine.
// Errors    A missing file, a directory, or a range beyond the end is an error naming the file.
//           If the file is truncated later, touching the lost pages raises SIGBUS.

#pragma once

#include "runtime/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace larql {

/// A mapped part of a file. Pages become resident only when touched.
class mapped_range {
public:
  mapped_range() = default;
  mapped_range(mapped_range&& other) noexcept;
  mapped_range& operator=(mapped_range&& other) noexcept;
  ~mapped_range();

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

  /// Asks the operating system to read a part of these bytes soon. Huge pages are left out: one
  /// touch reads a whole one, while reading ahead would bring its bytes into the page cache as
  /// small pages, which stay small.
  void will_need(std::span<const std::byte> part) const noexcept;

private:
  friend class file;
  void* base_ = nullptr; // page-aligned start of the mapping
  std::size_t mapped_bytes_ = 0;
  std::span<const std::byte> bytes_;
  std::span<const std::byte> huge_; // the part of the range that huge pages cover
};

/// How a mapped range will be read; passed on to madvise.
enum class access_pattern { sequential, random };

/// Huge pages save page faults and address translations where large parts are read; one touch then
/// reads 2 MB. Only huge pages that lie wholly inside the range are asked for, so no byte beside it
/// is read. They stay in the page cache for the next process. This needs Linux 5.18 and a file
/// system with large folios (ext4 since 6.16, XFS); elsewhere one touch reads 2 MB of small pages.
enum class page_kind { normal, huge };

/// What tells a file on disk from any other and from itself after a change, whatever its name.
struct file_stamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0; ///< since 1970

  friend bool operator==(const file_stamp&, const file_stamp&) = default;
};

/// A file opened for reading.
class file {
public:
  [[nodiscard]] static result<file> open(const std::filesystem::path& path);

  file(file&& other) noexcept;
  file& operator=(file&& other) noexcept;
  ~file();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_; }
  /// As it was when the file was opened.
  [[nodiscard]] const file_stamp& stamp() const noexcept { return stamp_; }

  /// How read() will be used: `random` keeps the kernel from reading ahead.
  void advise(access_pattern pattern) const noexcept;

  /// Copies `out.size()` bytes starting at `offset`.
  [[nodiscard]] result<void> read(std::uint64_t offset, std::span<std::byte> out) const;

  /// Maps [offset, offset + length). An empty range maps nothing.
  [[nodiscard]] result<mapped_range> map(std::uint64_t offset, std::uint64_t length,
                                         access_pattern pattern,
                                         page_kind pages = page_kind::normal) const;
  [[nodiscard]] result<mapped_range> map_all(access_pattern pattern,
                                             page_kind pages = page_kind::normal) const {
    return map(0, size_, pattern, pages);
  }

private:
  file() = default;
  std::filesystem::path path_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
  file_stamp stamp_;
};

/// Reads mapped bytes into memory now and maps their pages. Fails if a page cannot be read.
[[nodiscard]] result<void> populate(std::span<const std::byte> bytes);

/// Reads one byte of every page, which does the same on kernels before Linux 5.14.
void touch_pages(std::span<const std::byte> bytes);

/// How many of these mapped bytes are in memory and mapped by this process: populate() or a touch
/// does that, and the kernel takes them away when memory is short. Whole pages count as they are.
[[nodiscard]] std::uint64_t resident_bytes(std::span<const std::byte> bytes);

/// Keeps mapped bytes in memory.
[[nodiscard]] result<void> lock_pages(std::span<const std::byte> bytes);

/// Lets go of mapped pages that lie wholly inside these bytes; they are read again if touched.
void release_pages(std::span<const std::byte> bytes) noexcept;

/// The whole content of a small file; refuses more than `max_bytes`.
[[nodiscard]] result<std::string> read_text_file(const std::filesystem::path& path,
                                                 std::uint64_t max_bytes);

/// False if nothing has this name; an error for a link that leads nowhere, and if it cannot be
/// found out (a loop of links, a directory that may not be searched, a name that is too long).
[[nodiscard]] result<bool> path_exists(const std::filesystem::path& path);

/// Text of an errno value: "No such file or directory".
[[nodiscard]] std::string errno_text(int code);

} // namespace larql
