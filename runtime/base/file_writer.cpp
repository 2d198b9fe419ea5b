#include "runtime/base/file_writer.hpp"

#include "runtime/base/mapped_file.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace larql {

file_writer::file_writer(file_writer&& other) noexcept {
  *this = std::move(other);
}

file_writer& file_writer::operator=(file_writer&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  std::swap(fd_, other.fd_);
  std::swap(written_, other.written_);
  return *this;
}

file_writer::~file_writer() {
  if (fd_ >= 0)
    ::close(fd_);
}

failure file_writer::error(std::string_view what) const {
  return fail(errc::io, "{}: {}: {}", temporary_.string(), what, errno_text(errno));
}

result<file_writer> file_writer::create(const std::filesystem::path& path, file_access access) {
  auto out = file_writer{};
  out.path_ = path;
  out.temporary_ = path;
  out.temporary_ += ".tmp";
  if (access == file_access::owner_only)
    ::unlink(out.temporary_.c_str()); // one that is there keeps the access it has
  out.fd_ = ::open(out.temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                   access == file_access::owner_only ? 0600 : 0644);
  if (out.fd_ < 0)
    return out.error("create");
  return out;
}

result<void> file_writer::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return error("write");
    written_ += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

result<void> file_writer::skip(std::uint64_t bytes) {
  if (::lseek(fd_, static_cast<off_t>(bytes), SEEK_CUR) < 0)
    return error("seek");
  written_ += bytes;
  return {};
}

result<void> file_writer::commit() {
  // Gives the file its size where it ends in skipped bytes.
  if (::ftruncate(fd_, static_cast<off_t>(written_)) != 0)
    return error("set size");
  if (::fsync(fd_) != 0)
    return error("fsync");
  if (::close(std::exchange(fd_, -1)) != 0)
    return error("close");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0)
    return error("rename");
  return sync_directory(path_.parent_path());
}

result<void> sync_directory(const std::filesystem::path& path) {
  const auto name = path.empty() ? std::string{"."} : path.string();
  const auto fd = ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0 && errno == EACCES)
    return {}; // one may write in it, but not read it: flushing is not possible
  if (fd < 0)
    return fail(errc::io, "{}: open: {}", name, errno_text(errno));
  const auto failed = ::fsync(fd) != 0 && errno != EINVAL; // some file systems have nothing to do
  const auto code = errno;
  ::close(fd);
  if (failed)
    return fail(errc::io, "{}: fsync: {}", name, errno_text(code));
  return {};
}

result<void> write_text_file(const std::filesystem::path& path, std::string_view text,
                             file_access access) {
  LARQL_TRY(auto out, file_writer::create(path, access));
  LARQL_TRY_VOID(out.write(std::as_bytes(std::span{text})));
  return out.commit();
}

} // namespace larql
