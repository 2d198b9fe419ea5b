#include "runtime/base/disk_space.hpp"

#include "runtime/base/format_bytes.hpp"
#include "runtime/base/mapped_file.hpp"

#include <cerrno>
#include <sys/statvfs.h>

namespace larql {

result<std::uint64_t> free_space_bytes(const std::filesystem::path& path) {
  auto at = path;
  for (;;) {
    struct statvfs info {};
    if (::statvfs(at.empty() ? "." : at.c_str(), &info) == 0)
      return std::uint64_t{info.f_bavail} * info.f_frsize;
    if (errno != ENOENT || at.empty() || at == at.parent_path())
      return fail(errc::io, "{}: free space: {}", path.string(), errno_text(errno));
    at = at.parent_path();
  }
}

result<void> check_free_space(const std::filesystem::path& path, std::uint64_t needed_bytes,
                              std::uint64_t spare_bytes) {
  LARQL_TRY(const auto free_bytes, free_space_bytes(path));
  if (free_bytes < needed_bytes || free_bytes - needed_bytes < spare_bytes)
    return fail(errc::io, "{}: needs {}{}, its file system has {} free", path.string(),
                format_bytes(needed_bytes),
                spare_bytes == 0
                    ? std::string{}
                    : fmt::format(" for its files and {} to spare", format_bytes(spare_bytes)),
                format_bytes(free_bytes));
  return {};
}

} // namespace larql
