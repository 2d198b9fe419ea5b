// Fixed-point sums on the wire: signed integers of as few bytes as the largest of a row needs.
//
// Numerics  Lossless: packing and unpacking returns the same integers.
// Threads   Pure functions.

#pragma once

#include "runtime/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace larql::schema {

/// Fewest and most bytes of a packed sum.
inline constexpr std::uint8_t min_sum_width = 4;
inline constexpr std::uint8_t max_sum_width = 8;

/// Appends the rows of `sums` ([rows][hidden]) to `bytes` and each row's width to `widths`.
void pack_sums(std::span<const std::int64_t> sums, std::size_t hidden,
               std::vector<std::byte>& widths, std::vector<std::byte>& bytes);

/// Checks that `widths` and `bytes` describe `rows` rows of `hidden` sums.
[[nodiscard]] result<void> check_sums(std::span<const std::byte> widths,
                                      std::span<const std::byte> bytes, std::size_t rows,
                                      std::size_t hidden);

/// sums[i] += the i-th of `sums.size()` packed integers. @pre checked
void add_packed(std::span<const std::byte> bytes, std::uint8_t width, std::span<std::int64_t> sums);

} // namespace larql::schema
