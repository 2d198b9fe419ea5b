// When to try a request again, and after how long.
//
// Threads   Pure functions.

#pragma once

#include <chrono>
#include <optional>

namespace larql::hub {

struct retry_policy {
  unsigned attempts = 6; ///< in a row without any progress, the first included
  std::chrono::milliseconds first{500};
  std::chrono::milliseconds longest{30000};
  /// The longest pause that a server may ask for; beyond it the request fails with its answer.
  std::chrono::milliseconds longest_asked{300000};
};

/// Whether an answer of this status may be another one later: 408, 425, 429, 500, 502, 503, 504.
[[nodiscard]] bool is_transient(long status) noexcept;

/// The pause after `failures` failures in a row (from 1): doubling, with jitter, so that many
/// clients that failed together do not come back together. `random` is in [0, 1). What the server
/// asked for (Retry-After) counts if it is longer.
[[nodiscard]] std::chrono::milliseconds
retry_delay(const retry_policy& policy, unsigned failures, double random,
            std::optional<std::chrono::seconds> asked) noexcept;

} // namespace larql::hub
