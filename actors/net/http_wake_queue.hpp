// Which exchanges of an HTTP server have something new to say, told by other threads.
//
// Threads   push() by any; take() by the server's.

#pragma once

#include "actors/net/http_server.hpp"

#include <cstdint>
#include <mutex>
#include <sys/eventfd.h>
#include <unistd.h>
#include <unordered_set>

namespace larql::actors {

struct http_waker::queue {
  queue() : event_fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~queue() {
    if (event_fd >= 0)
      ::close(event_fd);
  }
  queue(const queue&) = delete;
  queue& operator=(const queue&) = delete;

  /// Makes the descriptor readable.
  void signal() const noexcept {
    const auto one = std::uint64_t{1};
    (void) !::write(event_fd, &one, sizeof one); // it fails only if it is readable anyway
  }

  void push(std::uint64_t id) {
    {
      const auto lock = std::scoped_lock{mutex};
      const auto first = ids.empty();
      ids.insert(id);
      if (!first)
        return; // somebody has signalled, and nobody has taken yet
    }
    signal();
  }

  /// Those that were pushed since the last call.
  [[nodiscard]] std::unordered_set<std::uint64_t> take() {
    auto count = std::uint64_t{0};
    (void) !::read(event_fd, &count, sizeof count);
    const auto lock = std::scoped_lock{mutex};
    return std::exchange(ids, {});
  }

  const int event_fd;
  std::mutex mutex;
  std::unordered_set<std::uint64_t> ids;
};

} // namespace larql::actors
