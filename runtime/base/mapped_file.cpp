#include "runtime/base/mapped_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace larql {

std::string errno_text(int code) {
  return std::generic_category().message(code);
}

mapped_range::mapped_range(mapped_range&& other) noexcept {
  *this = std::move(other);
}

mapped_range& mapped_range::operator=(mapped_range&& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
  std::swap(bytes_, other.bytes_);
  std::swap(huge_, other.huge_);
  return *this;
}

mapped_range::~mapped_range() {
  if (base_ != nullptr)
    ::munmap(base_, mapped_bytes_);
}

file::file(file&& other) noexcept {
  *this = std::move(other);
}

file& file::operator=(file&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  std::swap(stamp_, other.stamp_);
  return *this;
}

file::~file() {
  if (fd_ >= 0)
    ::close(fd_);
}

result<file> file::open(const std::filesystem::path& path) {
  auto out = file{};
  out.path_ = path;
  // O_NONBLOCK: opening a pipe would wait for a writer; regular files ignore it.
  out.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (out.fd_ < 0) {
    const auto code = errno == ENOENT || errno == ENOTDIR ? errc::not_found : errc::io;
    return fail(code, "{}: {}", path.string(), errno_text(errno));
  }
  struct stat st {};
  if (::fstat(out.fd_, &st) != 0)
    return fail(errc::io, "{}: {}", path.string(), errno_text(errno));
  if (!S_ISREG(st.st_mode))
    return fail(errc::io, "{}: not a regular file", path.string());
  out.size_ = static_cast<std::uint64_t>(st.st_size);
  out.stamp_ = {st.st_dev, st.st_ino, out.size_,
                std::int64_t{st.st_mtim.tv_sec} * 1'000'000'000 + st.st_mtim.tv_nsec};
  return out;
}

void file::advise(access_pattern pattern) const noexcept {
  const auto random = pattern == access_pattern::random;
  (void) ::posix_fadvise(fd_, 0, 0, random ? POSIX_FADV_RANDOM : POSIX_FADV_NORMAL);
}

result<void> file::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > size_ || out.size() > size_ - offset)
    return fail(errc::corrupt, "{}: truncated: {} bytes at offset {} wanted, file has {} bytes",
                path_.string(), out.size(), offset, size_);
  while (!out.empty()) {
    const auto n = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return fail(errc::io, "{}: read at offset {}: {}", path_.string(), offset,
                  n == 0 ? "file became shorter" : errno_text(errno));
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

namespace {

// Where pages have 4 KiB. With larger ones, as some kernels for ARM have, a huge page is larger
// than an expert.
constexpr std::uint64_t huge_page_bytes = 2 << 20;
constexpr std::uint64_t page_bytes_with_huge_ones = 4096;

// Since Linux 5.18 a fault in a file's huge page reads all of it; before, only what read-ahead
// says.
bool kernel_reads_huge_pages() {
  auto name = utsname{};
  auto major = 0, minor = 0;
  return ::uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
         std::pair{major, minor} >= std::pair{5, 18};
}

// The part of a mapping of [start, end) of a file that the kernel now reads in huge pages. It
// places large mappings so that huge pages of the file are huge pages in memory.
std::span<const std::byte> prefer_huge_pages(void* base, std::uint64_t start, std::uint64_t end,
                                             bool ends_the_file) {
  static const auto reads_them = kernel_reads_huge_pages();
  const auto first = (start + huge_page_bytes - 1) / huge_page_bytes * huge_page_bytes;
  if (!ends_the_file)
    end = end / huge_page_bytes * huge_page_bytes;
  if (first >= end)
    return {};
  auto* part = static_cast<std::byte*>(base) + (first - start);
  if (::madvise(part, end - first, MADV_HUGEPAGE) != 0 || !reads_them)
    return {};
  // Read-ahead would read the next huge page too, which may hold experts of other nodes.
  (void) ::madvise(part, end - first, MADV_RANDOM);
  return {part, end - first};
}

} // namespace

result<mapped_range> file::map(std::uint64_t offset, std::uint64_t length, access_pattern pattern,
                               page_kind pages) const {
  if (offset > size_ || length > size_ - offset)
    return fail(errc::corrupt, "{}: truncated: {} bytes at offset {} wanted, file has {} bytes",
                path_.string(), length, offset, size_);
  auto out = mapped_range{};
  if (length == 0)
    return out;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto start = offset / page * page;
  const auto bytes = static_cast<std::size_t>(offset - start + length);
  void* base = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd_, static_cast<off_t>(start));
  if (base == MAP_FAILED)
    return fail(errc::io, "{}: mmap of {} bytes at offset {}: {}", path_.string(), length, offset,
                errno_text(errno));
  // Advice only: a kernel that refuses it still serves the pages.
  (void) ::madvise(base, bytes, pattern == access_pattern::random ? MADV_RANDOM : MADV_NORMAL);
  if (pages == page_kind::huge && page == page_bytes_with_huge_ones)
    out.huge_ = prefer_huge_pages(base, start, offset + length, offset + length == size_);
  out.base_ = base;
  out.mapped_bytes_ = bytes;
  out.bytes_ = {static_cast<const std::byte*>(base) + (offset - start),
                static_cast<std::size_t>(length)};
  return out;
}

result<bool> path_exists(const std::filesystem::path& path) {
  auto error = std::error_code{};
  const auto found = std::filesystem::exists(path, error);
  if (error)
    return fail(errc::io, "{}: {}", path.string(), error.message());
  // Without its target a link would pass for a file that was never there, and what it leads to for
  // a part that the model does not have.
  if (!found && std::filesystem::is_symlink(path, error))
    return fail(errc::not_found, "{}: is a link to something that is not there", path.string());
  return found;
}

namespace {

// The whole pages that hold some bytes.
struct page_range {
  void* start;
  std::size_t bytes;
};
page_range pages_of(std::span<const std::byte> bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  const auto start = address / page * page;
  const auto end = (address + bytes.size() + page - 1) / page * page;
  return {reinterpret_cast<void*>(start), end - start};
}

#ifndef MADV_POPULATE_READ // since Linux 5.14
#define MADV_POPULATE_READ 22
#endif

} // namespace

void mapped_range::will_need(std::span<const std::byte> part) const noexcept {
  const auto ask = [](const std::byte* begin, const std::byte* end) {
    if (begin >= end)
      return;
    const auto pages = pages_of({begin, end});
    (void) ::madvise(pages.start, pages.bytes, MADV_WILLNEED);
  };
  const auto* begin = part.data();
  const auto* end = begin + part.size();
  if (huge_.empty())
    return ask(begin, end);
  ask(begin, std::min(end, huge_.data()));
  ask(std::max(begin, huge_.data() + huge_.size()), end);
}

void touch_pages(std::span<const std::byte> bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto* end = bytes.data() + bytes.size();
  // The first page by its first byte here, the others by their own first byte: the last one too.
  for (const auto* p = bytes.data(); p < end;) {
    (void) *static_cast<const volatile std::byte*>(p);
    const auto into_page = reinterpret_cast<std::uintptr_t>(p) % page;
    p += std::min<std::size_t>(page - into_page, static_cast<std::size_t>(end - p));
  }
}

result<void> populate(std::span<const std::byte> bytes) {
  const auto pages = pages_of(bytes);
  if (::madvise(pages.start, pages.bytes, MADV_POPULATE_READ) == 0)
    return {};
  if (errno != EINVAL)
    return fail(errc::io, "reading {} bytes into memory: {}", bytes.size(), errno_text(errno));
  touch_pages(bytes);
  return {};
}

namespace {

// mincore answers about the page cache, and says "in memory" for every page of a file that the
// caller neither owns nor may write (since Linux 5.2). So it serves only where /proc is missing.
std::uint64_t pages_in_page_cache(const page_range& pages, std::size_t page) {
  auto in_memory = std::vector<unsigned char>(pages.bytes / page);
  if (in_memory.empty() || ::mincore(pages.start, pages.bytes, in_memory.data()) != 0)
    return 0;
  return static_cast<std::uint64_t>(
      std::count_if(in_memory.begin(), in_memory.end(), [](unsigned char p) { return p & 1u; }));
}

} // namespace

std::uint64_t resident_bytes(std::span<const std::byte> bytes) {
  constexpr auto present = std::uint64_t{1} << 63; // Documentation/admin-guide/mm/pagemap.rst
  constexpr auto entries_at_once = std::size_t{1} << 16;
  const auto pages = pages_of(bytes);
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  auto resident = std::uint64_t{0};
  auto left = pages.bytes / page;
  auto offset = reinterpret_cast<std::uintptr_t>(pages.start) / page * sizeof(std::uint64_t);
  auto entries = std::vector<std::uint64_t>(std::min(left, entries_at_once));
  const auto fd = ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  auto is_known = fd >= 0;
  while (left != 0 && is_known) {
    const auto n = ::pread(fd, entries.data(), std::min(left, entries.size()) * sizeof(entries[0]),
                           static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR)
      continue;
    const auto count = n > 0 ? static_cast<std::size_t>(n) / sizeof(entries[0]) : 0;
    is_known = count != 0;
    resident += static_cast<std::uint64_t>(
        std::count_if(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(count),
                      [](std::uint64_t entry) { return (entry & present) != 0; }));
    left -= count;
    offset += count * sizeof(entries[0]);
  }
  if (fd >= 0)
    ::close(fd);
  if (!is_known)
    resident = pages_in_page_cache(pages, page);
  return std::min<std::uint64_t>(resident * page, bytes.size());
}

result<void> lock_pages(std::span<const std::byte> bytes) {
  const auto pages = pages_of(bytes);
  if (::mlock(pages.start, pages.bytes) == 0)
    return {};
  const auto code = errno;
  auto limit = rlimit{};
  const auto known = ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return fail(errc::io, "locking {} bytes in memory: {} (RLIMIT_MEMLOCK is {})", bytes.size(),
              errno_text(code), known ? fmt::format("{} bytes", limit.rlim_cur) : "unlimited");
}

void release_pages(std::span<const std::byte> bytes) noexcept {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  const auto begin = (address + page - 1) / page * page;
  const auto end = (address + bytes.size()) / page * page;
  if (begin < end)
    (void) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

result<std::string> read_text_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  LARQL_TRY(const auto in, file::open(path));
  if (in.size_bytes() > max_bytes)
    return fail(errc::corrupt, "{}: size is {} bytes, expected at most {}", path.string(),
                in.size_bytes(), max_bytes);
  auto text = std::string(static_cast<std::size_t>(in.size_bytes()), '\0');
  LARQL_TRY_VOID(in.read(0, std::as_writable_bytes(std::span{text})));
  return text;
}

} // namespace larql
