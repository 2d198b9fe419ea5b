#include "runtime/hub/retry.hpp"

#include <algorithm>

namespace larql::hub {

bool is_transient(long status) noexcept {
  switch (status) {
  case 408:
  case 425:
  case 429:
  case 500:
  case 502:
  case 503:
  case 504: return true;
  default: return false;
  }
}

std::chrono::milliseconds retry_delay(const retry_policy& policy, unsigned failures, double random,
                                      std::optional<std::chrono::seconds> asked) noexcept {
  using std::chrono::milliseconds;
  const auto doublings = std::min(failures == 0 ? 0u : failures - 1, 20u);
  const auto full =
      std::min<std::int64_t>(policy.first.count() << doublings, policy.longest.count());
  // Between half and the whole: never at once, never more than promised.
  const auto pause =
      milliseconds{static_cast<std::int64_t>(static_cast<double>(full) * (0.5 + 0.5 * random))};
  return asked ? std::max(pause, milliseconds{*asked}) : pause;
}

} // namespace larql::hub
