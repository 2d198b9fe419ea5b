// Where the time of the forward pass went, summed over calls.
//
// Numerics  Reading the clock changes no result.

#pragma once

#include <chrono>

namespace larql::gemma4 {

struct phase_times {
  std::chrono::nanoseconds attention{0}; ///< projections, cache, scores, and the norms around them
  std::chrono::nanoseconds router{0};    ///< choice of experts
  std::chrono::nanoseconds dense{0};     ///< dense branch and its norms
  std::chrono::nanoseconds experts{0};   ///< handing over and waiting; local experts compute here
  std::chrono::nanoseconds combine{0};   ///< norms and sums after the experts
  std::chrono::nanoseconds head{0};      ///< logits
};

[[nodiscard]] inline phase_times operator-(const phase_times& a, const phase_times& b) {
  return {a.attention - b.attention, a.router - b.router,   a.dense - b.dense,
          a.experts - b.experts,     a.combine - b.combine, a.head - b.head};
}

/// Adds the time since the last lap to one of the sums.
class phase_clock {
public:
  void lap(std::chrono::nanoseconds& to) {
    const auto now = std::chrono::steady_clock::now();
    to += now - last_;
    last_ = now;
  }

private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

} // namespace larql::gemma4
