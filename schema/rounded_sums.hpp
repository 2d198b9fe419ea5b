// Sums on the wire that are rounded to fewer bytes than their integers need, where a laptop has
// asked for that: approximate.
//
// Numerics  A sum is made f32, then rounded to nearest, ties to even: to f16 or bf16, or to 8 bits
//           with a f32 scale per 32 numbers, which is their largest magnitude / 127. What is read
//           is a whole number of 2^-32 again, rounded to nearest; it can be added to other sums.
// Threads   Pure functions.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/quant/sum_format.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace larql::schema {

/// What stands in the place of a width for a row of this format. @pre not exact
[[nodiscard]] constexpr std::uint8_t rounded_row(quant::sum_format f) noexcept {
  return static_cast<std::uint8_t>(f);
}

/// Whether a width is the mark of a rounded row.
[[nodiscard]] constexpr bool is_rounded_row(std::uint8_t width) noexcept {
  return width >= rounded_row(quant::sum_format::f16) &&
         width <= rounded_row(quant::sum_format::q8);
}

/// Numbers of a q8 row that share a scale; the last ones of a row may be fewer.
inline constexpr std::size_t numbers_per_scale = 32;

/// Bytes of a rounded row. @pre is_rounded_row(width)
[[nodiscard]] constexpr std::size_t rounded_row_bytes(std::uint8_t width,
                                                      std::size_t hidden) noexcept {
  return width == rounded_row(quant::sum_format::q8)
             ? hidden + (hidden + numbers_per_scale - 1) / numbers_per_scale * sizeof(float)
             : hidden * 2;
}

/// Appends the row to `bytes` and its mark to `widths`; false, and nothing is appended, if a number
/// is too large for the format.
[[nodiscard]] bool put_rounded_row(std::span<const std::int64_t> row, quant::sum_format format,
                                   std::vector<std::byte>& widths, std::vector<std::byte>& bytes);

/// Whether every number is finite and small enough for a sum. @pre the size is that of the row
[[nodiscard]] result<void> check_rounded_row(std::span<const std::byte> bytes, std::uint8_t width,
                                             std::size_t hidden);

/// sums[i] += the i-th number of the row. @pre checked
void add_rounded_row(std::span<const std::byte> bytes, std::uint8_t width,
                     std::span<std::int64_t> sums);

} // namespace larql::schema
