#include "runtime/base/file_writer.hpp"

#include "runtime/base/mapped_file.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace larql {

namespace {

constexpr std::string_view temporary_tail = ".tmp";
constexpr std::size_t random_name_digits = 16;
constexpr std::size_t most_name_bytes = 200; // of 255, so that a long name is no other error here
constexpr auto most_tries = 100;

} // namespace

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
  if (!temporary_.empty())
    ::unlink(temporary_.c_str());
}

failure file_writer::error(std::string_view what) const {
  return fail(errc::io, "{}: {}: {}", path_.string(), what, errno_text(errno));
}

result<file_writer> file_writer::create(const std::filesystem::path& path, file_access access) {
  auto out = file_writer{};
  out.path_ = path;
  const auto name = path.filename().string().substr(0, most_name_bytes);
  for (auto tries = 0; out.fd_ < 0 && tries < most_tries; ++tries) {
    // Neither a file of somebody else nor a link that was laid there is ever opened.
    const auto temporary =
        path.parent_path() / fmt::format(".{}.{}{}", name, random_name(), temporary_tail);
    out.fd_ = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                     access == file_access::owner_only ? 0600 : 0644);
    if (out.fd_ >= 0)
      out.temporary_ = temporary;
    else if (errno != EEXIST)
      break;
  }
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

result<void> file_writer::commit(existing_file existing) {
  // Gives the file its size where it ends in skipped bytes.
  if (::ftruncate(fd_, static_cast<off_t>(written_)) != 0)
    return error("set size");
  if (::fsync(fd_) != 0)
    return error("fsync");
  if (::close(std::exchange(fd_, -1)) != 0)
    return error("close");
  LARQL_TRY_VOID(rename(existing));
  temporary_.clear();
  return sync_directory(path_.parent_path());
}

result<void> file_writer::rename(existing_file existing) {
  const auto exists = [&] {
    return fail(errc::usage, "{}: exists already (use --force to replace it)", path_.string());
  };
  if (existing == existing_file::keep) {
    if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0)
      return {};
    if (errno == EEXIST)
      return exists();
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
      return error("rename");
    // File systems that cannot do that; between the look and the rename lies a moment.
    LARQL_TRY(const auto there, path_exists(path_));
    if (there)
      return exists();
  }
  return std::rename(temporary_.c_str(), path_.c_str()) == 0 ? result<void>{} : error("rename");
}

bool is_temporary_name(std::string_view name) noexcept {
  constexpr auto tail = random_name_digits + 1 + temporary_tail.size();
  if (name.size() < tail + 2 || name[0] != '.' || !name.ends_with(temporary_tail))
    return false;
  const auto random = name.substr(name.size() - tail, tail - temporary_tail.size());
  return random[0] == '.' &&
         random.find_first_not_of("0123456789abcdef", 1) == std::string_view::npos;
}

result<void> remove_temporary_files(const std::filesystem::path& dir) {
  namespace fs = std::filesystem;
  auto found = std::vector<fs::path>{};
  auto error = std::error_code{};
  for (auto it = fs::recursive_directory_iterator{dir, error};
       !error && it != fs::recursive_directory_iterator{}; it.increment(error)) {
    auto gone = std::error_code{};
    if (is_temporary_name(it->path().filename().string()) && it->is_regular_file(gone))
      found.push_back(it->path());
  }
  for (const auto& path : found)
    if (!error)
      fs::remove(path, error);
  if (error)
    return fail(errc::io, "{}: remove temporary files: {}", dir.string(), error.message());
  return {};
}

std::string random_name() {
  auto bits = std::uint64_t{0};
  // Cannot fail for so few bytes once the machine has started; before that it waits.
  while (::getrandom(&bits, sizeof bits, 0) != sizeof bits)
    ;
  return fmt::format("{:016x}", bits);
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
