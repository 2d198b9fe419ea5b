// A quantile of measured numbers.
//
// Threads   Pure function over its argument.

#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

namespace larql {

/// The number that `share` of all are at most: 0.5 for the median, 0.99. It is one of them, the
/// nearest in rank; 0 if there are none. Reorders `numbers`. @pre 0 <= share <= 1
[[nodiscard]] inline float quantile(std::span<float> numbers, double share) {
  if (numbers.empty())
    return 0;
  const auto last = static_cast<double>(numbers.size() - 1);
  const auto at = numbers.begin() + static_cast<std::ptrdiff_t>(share * last + 0.5);
  std::nth_element(numbers.begin(), at, numbers.end());
  return *at;
}

} // namespace larql
