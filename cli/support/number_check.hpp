// Checks of numbers on the command line whose messages a person can read. They look at the text, so
// they come before the parser's own conversion, which wraps negative numbers around.

#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>

namespace larql::cli {

/// Digits only, within the range; without an upper end if `high` is the largest there is.
[[nodiscard]] CLI::Validator whole_number(std::uint64_t low = 0,
                                          std::uint64_t high = ~std::uint64_t{0});

/// Any number within the range.
[[nodiscard]] CLI::Validator number_between(double low, double high);

/// Gives every option of the program that takes numbers, and of its commands, a check that they are
/// numbers.
void check_numbers(CLI::App& app);

} // namespace larql::cli
