// A process that gets only a few more threads, as one under a limit of its service does. For
// processes that a test has forked: nothing brings the old limits back.

#pragma once

#include <cstddef>
#include <fstream>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace larql::test {

/// Memory for three more stacks and for some more of everything else.
inline void allow_few_more_threads() {
  constexpr auto stack_bytes = std::size_t{256} << 20;
  auto attributes = pthread_attr_t{};
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, stack_bytes);
  ::pthread_setattr_default_np(&attributes);
  auto pages = std::size_t{0};
  std::ifstream{"/proc/self/statm"} >> pages;
  const auto used = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto limit = rlimit{used + 4 * stack_bytes, used + 4 * stack_bytes};
  ::setrlimit(RLIMIT_AS, &limit);
}

} // namespace larql::test
