// How long to wait before the next attempt: exponential, with jitter, so that clients that lost the
// same peer do not all come back at the same moment.
//
// Threads   Pure functions.

#pragma once

#include <algorithm>
#include <chrono>

namespace larql {

struct backoff {
  std::chrono::milliseconds first{100};
  std::chrono::milliseconds max{10000};
};

/// The delay before attempt number `attempt` (0: the first retry). `uniform` is a random number in
/// [0, 1). Between half of first * 2^attempt, capped at max, and all of it.
[[nodiscard]] inline std::chrono::microseconds backoff_delay(const backoff& b, unsigned attempt,
                                                             double uniform) {
  using std::chrono::microseconds;
  const auto doublings = std::min(attempt, 30u);
  const auto whole =
      std::min(microseconds{b.first} * (std::int64_t{1} << doublings), microseconds{b.max});
  const auto half = whole / 2;
  return half +
         microseconds{static_cast<std::int64_t>(uniform * static_cast<double>(half.count()))};
}

} // namespace larql
