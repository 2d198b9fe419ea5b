#include "runtime/hub/retry.hpp"

#include "runtime/base/backoff.hpp"

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
  const auto pause = std::chrono::duration_cast<milliseconds>(
      backoff_delay({policy.first, policy.longest}, failures == 0 ? 0 : failures - 1, random));
  return asked ? std::max(pause, milliseconds{*asked}) : pause;
}

} // namespace larql::hub
