// How long somebody waits, counted in looks: time in which this process was stopped (Ctrl-Z, a
// suspended laptop) is not time in which nobody answered.
//
// Threads   Plain state.

#pragma once

#include <algorithm>
#include <chrono>

namespace larql::actors {

class stall_tolerant_deadline {
public:
  using time = std::chrono::steady_clock::time_point;

  /// Waits `all` in looks of at most `look`; begins at `now`.
  stall_tolerant_deadline(std::chrono::milliseconds all, std::chrono::milliseconds look, time now)
      : left_(all), look_(look), last_(now) {}

  /// When to look next.
  [[nodiscard]] time next() const { return last_ + std::min<duration>(look_, left_); }

  /// Counts the time since the last look, a late one as one in time. False if none is left.
  [[nodiscard]] bool look(time now) {
    left_ -= std::min<duration>(now - last_, look_);
    last_ = now;
    return left_.count() > 0;
  }

private:
  using duration = std::chrono::steady_clock::duration;

  duration left_;
  duration look_;
  time last_;
};

} // namespace larql::actors
