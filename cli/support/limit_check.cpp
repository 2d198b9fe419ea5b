#include "cli/support/limit_check.hpp"

#include "runtime/base/mapped_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <latch>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace larql::cli {

namespace {

result<void> check_threads(unsigned count) {
  auto enough = std::latch{1};
  auto threads = std::vector<std::thread>{};
  threads.reserve(count);
  auto out = result<void>{};
  try {
    while (threads.size() < count)
      threads.emplace_back([&enough] { enough.wait(); });
  } catch (const std::system_error& e) {
    out = fail(errc::io, "cannot start {} more threads, only {}: {} (limits: ulimit -u, ulimit -v)",
               count, threads.size(), e.what());
  }
  enough.count_down();
  for (auto& t : threads)
    t.join();
  return out;
}

result<void> check_descriptors(unsigned count) {
  auto opened = std::vector<int>{};
  opened.reserve(count);
  auto out = result<void>{};
  while (out && opened.size() < count) {
    const auto fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
      opened.push_back(fd);
    else
      out = fail(errc::io, "cannot open {} more files, only {}: {} (limit: ulimit -n)", count,
                 opened.size(), errno_text(errno));
  }
  for (const auto fd : opened)
    ::close(fd);
  return out;
}

} // namespace

result<void> check_limits(unsigned threads, unsigned descriptors) {
  LARQL_TRY_VOID(check_threads(threads));
  return check_descriptors(descriptors);
}

} // namespace larql::cli
