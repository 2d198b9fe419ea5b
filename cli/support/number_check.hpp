// Checks of numbers on the command line whose messages a person can read. They look at the text, so
// they come before the parser's own conversion, which wraps negative numbers around.

#pragma once

#include "cli/support/command_parser.hpp"

#include <cstdint>

namespace larql::cli {

/// Digits only, within the range; without an upper end if `high` is the largest there is.
[[nodiscard]] value_check whole_number(std::uint64_t low = 0,
                                       std::uint64_t high = ~std::uint64_t{0});

/// Any number within the range.
[[nodiscard]] value_check number_between(double low, double high);

/// Any number.
[[nodiscard]] value_check any_number();

} // namespace larql::cli
