// Numbers between two bounds, as automata over their decimal digits.
//
// A number is written without an exponent where it has bounds. Digits are limited, so that a model
// cannot go on with them forever: 18 before the point, 17 behind it, 2 of an exponent.

#pragma once

#include "runtime/grammar/network.hpp"

#include <optional>

namespace larql::grammar {

struct number_bound {
  double value = 0;
  bool inclusive = true;
};

struct number_range {
  bool integer = false;
  std::optional<number_bound> low;
  std::optional<number_bound> high;
};

/// Fails with `unsupported` if a bound has more than 18 digits before the point or 17 behind it.
/// A range that holds no number leads nowhere.
[[nodiscard]] result<node_id> add_number(network_builder& net, const number_range& range,
                                         node_id next);

} // namespace larql::grammar
