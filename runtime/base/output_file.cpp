#include "runtime/base/output_file.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/base/output_path.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utility>

namespace larql {

namespace {

namespace fs = std::filesystem;

// Links of /proc (/dev/stdout leads there) lead to files that are open, whatever their text says.
bool is_open_file(const fs::path& given) {
  auto path = given;
  auto error = std::error_code{};
  for (auto links = 0; links < 40 && fs::is_symlink(path, error); ++links) {
    struct statfs facts {};
    const auto dir = path.has_parent_path() ? path.parent_path() : fs::path{"."};
    if (::statfs(dir.c_str(), &facts) == 0 && facts.f_type == PROC_SUPER_MAGIC)
      return true;
    path = path.parent_path() / fs::read_symlink(path, error);
  }
  return false;
}

struct destination {
  fs::path path;
  bool in_place = false; ///< it is written to, not replaced
};

result<destination> check(const fs::path& given, bool replace) {
  if (given.empty())
    return fail(errc::usage, "the output has an empty name");
  if (given == "-")
    return destination{given, true};
  const auto kind = kind_of_file(given);
  if (kind == "a directory" || kind == "a socket" || kind == "something unknown")
    return fail(errc::usage, "{}: is {}, expected the name of a file", given.string(), kind);
  if (is_open_file(given) || (!kind.empty() && kind != "a file"))
    return destination{given, true};
  LARQL_TRY(auto path, output_path(given));
  LARQL_TRY(const auto exists, path_exists(path));
  if (exists && !replace)
    return fail(errc::usage, "{}: exists already (use --force to replace it)", given.string());
  return destination{std::move(path), false};
}

} // namespace

result<void> check_output(const fs::path& path, bool replace) {
  LARQL_TRY([[maybe_unused]] const auto good, check(path, replace));
  return {};
}

result<output_file> output_file::open(const fs::path& path, bool replace, file_access access) {
  LARQL_TRY(const auto to, check(path, replace));
  auto out = output_file{};
  out.path_ = to.path == "-" ? "standard output" : path;
  if (!to.in_place) {
    out.existing_ = replace ? existing_file::replace : existing_file::keep;
    LARQL_TRY(out.file_, file_writer::create(to.path, access));
    return out;
  }
  if (to.path == "-") {
    out.fd_ = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    return out.fd_ < 0 ? fail(errc::io, "standard output: {}", errno_text(errno))
                       : result<output_file>{std::move(out)};
  }
  // O_APPEND: standard output may be a file that others have written to.
  out.fd_ = ::open(to.path.c_str(), O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC);
  if (out.fd_ < 0 && errno == EINTR)
    return fail(errc::cancelled, "{}: stopped before somebody read it", path.string());
  if (out.fd_ < 0)
    return fail(errc::io, "{}: open: {}", path.string(), errno_text(errno));
  return out;
}

output_file::output_file(output_file&& other) noexcept {
  *this = std::move(other);
}

output_file& output_file::operator=(output_file&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  std::swap(fd_, other.fd_);
  std::swap(existing_, other.existing_);
  return *this;
}

output_file::~output_file() {
  if (fd_ >= 0)
    ::close(fd_);
}

result<void> output_file::write(std::span<const std::byte> bytes) {
  if (file_)
    return file_->write(bytes);
  while (!bytes.empty()) {
    const auto n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return fail(errc::io, "{}: write: {}", path_.string(), errno_text(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

result<void> output_file::commit() {
  if (file_)
    return file_->commit(existing_);
  // A device may tell only now that it has no room.
  return ::close(std::exchange(fd_, -1)) == 0
             ? result<void>{}
             : fail(errc::io, "{}: close: {}", path_.string(), errno_text(errno));
}

result<void> write_output(const fs::path& path, std::string_view text, bool replace,
                          file_access access) {
  LARQL_TRY(auto out, output_file::open(path, replace, access));
  LARQL_TRY_VOID(out.write(std::as_bytes(std::span{text})));
  return out.commit();
}

} // namespace larql
