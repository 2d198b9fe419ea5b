// A deadline that counts only time in which this process ran: while it was stopped (Ctrl-Z, a
// suspended laptop) no answer could have been seen. The waiting thread looks for the answer at
// short intervals; an interval that lasted longer than planned counts as one of the planned length.
//
// Threads   Plain state.

#pragma once

#include <algorithm>
#include <chrono>

namespace larql::actors {

class stall_tolerant_deadline {
public:
  using time = std::chrono::steady_clock::time_point;

  /// A deadline `all` after `now`, with looks at most `look` apart.
  stall_tolerant_deadline(std::chrono::milliseconds all, std::chrono::milliseconds look, time now)
      : left_(all), look_(look), last_(now) {}

  /// When to look next.
  [[nodiscard]] time next() const { return last_ + std::min<duration>(look_, left_); }

  /// Counts the time since the last look, at most one interval. False if no time is left.
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
