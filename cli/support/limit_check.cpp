#include "cli/support/limit_check.hpp"

#include "runtime/base/mapped_file.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <latch>
#include <sys/mman.h>
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
      threads.emplace_back([&enough] {
        // With its first allocation a thread takes addresses of its own, many more than its stack.
        void* volatile own = std::malloc(64);
        enough.wait();
        std::free(own);
      });
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

// For what the actors' threads take beside their stacks.
result<void> check_addresses(std::size_t bytes) {
  auto* const at = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    return fail(errc::io, "cannot get {} MB of addresses: {} (limit: ulimit -v)", bytes >> 20,
                errno_text(errno));
  ::munmap(at, bytes);
  return {};
}

} // namespace

result<void> check_limits(unsigned threads, unsigned descriptors) {
  LARQL_TRY_VOID(check_threads(threads));
  LARQL_TRY_VOID(check_addresses(std::size_t{256} << 20));
  return check_descriptors(descriptors);
}

} // namespace larql::cli
