// Events on their way from the thread that computes or receives to the one that shows them.
//
// Threads   push() by any; wait() by one.

#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>
#include <vector>

namespace larql::cli {

template <class Event>
class event_queue {
public:
  void push(Event e) {
    const auto lock = std::scoped_lock{mutex_};
    events_.push_back(std::move(e));
    pushed_.notify_one();
  }

  /// All that have come; none if `stop` was requested first, or after `limit`.
  [[nodiscard]] std::vector<Event> wait(const std::stop_token& stop,
                                        std::chrono::milliseconds limit) {
    auto lock = std::unique_lock{mutex_};
    pushed_.wait_for(lock, stop, limit, [&] { return !events_.empty(); });
    return std::exchange(events_, {});
  }

private:
  std::mutex mutex_;
  std::condition_variable_any pushed_;
  std::vector<Event> events_;
};

} // namespace larql::cli
