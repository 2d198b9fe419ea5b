#include "runtime/vindex/checksums_lock.hpp"

#include "runtime/base/file_lock.hpp"
#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/format.hpp"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace larql::vindex {

namespace {

constexpr auto poll = std::chrono::milliseconds{20};

} // namespace

result<checksums_lock> checksums_lock::take(const std::filesystem::path& dir) {
  auto out = checksums_lock{};
  const auto path = dir / checksums_lock_file;
  out.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (out.fd_ < 0)
    return fail(errc::io, "{}: open: {}", path.string(), errno_text(errno));
  for (;;) {
    LARQL_TRY(const auto locked, try_lock(out.fd_, path));
    if (locked)
      return out;
    std::this_thread::sleep_for(poll);
  }
}

checksums_lock::checksums_lock(checksums_lock&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

checksums_lock::~checksums_lock() {
  if (fd_ >= 0)
    ::close(fd_);
}

} // namespace larql::vindex
