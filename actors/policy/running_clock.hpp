// Time as deadlines count it that judge others: without the time in which this process did not run
// (Ctrl-Z, a paused virtual machine, no processor for it), because answers could not be seen then.
//
// The owner says by when it will look again. A look that comes later than that by more than a
// tolerance was kept from coming, and what it was late by is not counted. While no look is expected
// all time counts. However often looks are late, time goes on: each counts as far as it was
// expected.
//
// Threads   Plain state; one owner.

#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace larql::actors {

class running_clock {
public:
  using time = std::chrono::steady_clock::time_point;
  using duration = std::chrono::steady_clock::duration;

  explicit running_clock(duration tolerance) : tolerance_(tolerance) {}

  /// A look at `now` of the steady clock: the running time, which never goes back.
  time look(time now) {
    if (due_ && now - *due_ > tolerance_) {
      not_counted_ = now - std::max(*due_ - not_counted_, last_);
      due_ = now; // the look that is expected has not come yet
      ++stops_;
    }
    last_ = now - not_counted_;
    return last_;
  }

  /// The next look comes at `when`, in running time. @pre not before the last one
  void expect(time when) { due_ = when + not_counted_; }
  /// No look is expected.
  void rest() { due_.reset(); }

  /// How often time was not counted so far.
  [[nodiscard]] unsigned stops() const { return stops_; }

private:
  duration tolerance_;
  duration not_counted_{0};
  std::optional<time> due_; // of the steady clock
  time last_{};             // running time of the last look
  unsigned stops_ = 0;
};

} // namespace larql::actors
