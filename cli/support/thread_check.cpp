#include "cli/support/thread_check.hpp"

#include <latch>
#include <system_error>
#include <thread>
#include <vector>

namespace larql::cli {

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

} // namespace larql::cli
