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

/// In the place of a width: the row is complete, `hidden` f32 that nothing may be added to.
inline constexpr std::uint8_t complete_row = 0;

/// Appends a complete row to `bytes` and its mark to `widths`.
void put_complete_row(std::span<const float> row, std::vector<std::byte>& widths,
                      std::vector<std::byte>& bytes);

/// Bytes of a row of this width.
[[nodiscard]] constexpr std::size_t row_bytes(std::uint8_t width, std::size_t hidden) noexcept {
  return hidden * (width == complete_row ? sizeof(float) : width);
}

/// Checks that `widths` and `bytes` describe `rows` rows of `hidden` sums. `whole` has an entry for
/// each row, not 0 where it may be complete; empty: no row may be.
[[nodiscard]] result<void> check_sums(std::span<const std::byte> widths,
                                      std::span<const std::byte> bytes, std::size_t rows,
                                      std::size_t hidden, std::span<const std::byte> whole = {});

/// The sums that a complete row of `sums.size()` numbers was made from, as far as its f32 tell:
/// converted again they give the same f32. An error if a number is no sum.
[[nodiscard]] result<void> read_complete_row(std::span<const std::byte> bytes,
                                             std::span<std::int64_t> sums);

/// sums[i] += the i-th of `sums.size()` packed integers. @pre checked
void add_packed(std::span<const std::byte> bytes, std::uint8_t width, std::span<std::int64_t> sums);

} // namespace larql::schema
