#include "runtime/base/file_lock.hpp"

#include "runtime/base/mapped_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace larql {

namespace {

struct flock whole_file() {
  struct flock out {};
  out.l_type = F_WRLCK;
  out.l_whence = SEEK_SET;
  return out;
}

} // namespace

result<bool> try_lock(int fd, const std::filesystem::path& path) {
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return false;
    if (errno != EINTR)
      return fail(errc::io, "{}: lock: {}", path.string(), errno_text(errno));
  }
  // The lock above belongs to the open file, so it does not vanish when this process reads the file
  // a second time; of this one the kernel tells who has it.
  auto mark = whole_file();
  static_cast<void>(::fcntl(fd, F_SETLK, &mark));
  return true;
}

std::string lock_holder(int fd) {
  auto mark = whole_file();
  if (::fcntl(fd, F_GETLK, &mark) == 0 && mark.l_type != F_UNLCK && mark.l_pid > 0)
    return fmt::format("process {}", mark.l_pid);
  return "another process";
}

bool is_same_file(int fd, const std::filesystem::path& path) {
  struct stat open {
  }, named{};
  return ::fstat(fd, &open) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

} // namespace larql
