// What a wan_link really gives, measured with bytes of its own from end to end: the link that a
// bound is computed from.
//
// Blocking  A few seconds: round trips one by one, then half a second of bytes each way at full
//           rate.
// Errors    A system without sockets or threads; a link that delivers nothing in time.

#pragma once

#include "actors/net/wan_link.hpp"
#include "runtime/base/result.hpp"

#include <stop_token>

namespace larql::actors {

struct link_facts {
  std::chrono::nanoseconds round_trip{0}; ///< median; with the link's jitter
  double up_bytes_per_second = 0;         ///< once the window is open
  double down_bytes_per_second = 0;
};

/// Measures a link with this profile, which carries nothing else meanwhile.
[[nodiscard]] result<link_facts> measure_link(const wan_profile& profile,
                                              const std::stop_token& stop);

} // namespace larql::actors
