// How often a failing shard may be restarted before its node gives up: a bounded number within a
// window of time.
//
// Threads   Plain state.

#pragma once

#include <chrono>
#include <deque>

namespace larql::actors {

class restart_budget {
public:
  using time = std::chrono::steady_clock::time_point;

  restart_budget(unsigned most, std::chrono::milliseconds window) : most_(most), window_(window) {}

  /// Counts a restart at `now`. False if that is one too many.
  [[nodiscard]] bool allow(time now) {
    while (!recent_.empty() && now - recent_.front() > window_)
      recent_.pop_front();
    if (recent_.size() >= most_)
      return false;
    recent_.push_back(now);
    return true;
  }

  /// Restarts within the window.
  [[nodiscard]] unsigned recent() const noexcept { return static_cast<unsigned>(recent_.size()); }

private:
  unsigned most_;
  std::chrono::milliseconds window_;
  std::deque<time> recent_;
};

} // namespace larql::actors
