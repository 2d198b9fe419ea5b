// Fixed-point sums on the wire: signed integers of as few bytes as the largest of a row needs.
//
// Numerics  Lossless: packing and unpacking returns the same integers. Rows are rounded only where
//           another format is asked for (rounded_sums.hpp).
// Threads   Pure functions.

#pragma once

#include "runtime/base/result.hpp"
#include "schema/rounded_sums.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace larql::schema {

/// Fewest and most bytes of a packed sum.
inline constexpr std::uint8_t min_sum_width = 4;
inline constexpr std::uint8_t max_sum_width = 8;

/// Appends the rows of `sums` ([rows][hidden]) to `bytes` and each row's width to `widths`. A row
/// with a number that is too large for `format` is sent exactly.
void pack_sums(std::span<const std::int64_t> sums, std::size_t hidden, quant::sum_format format,
               std::vector<std::byte>& widths, std::vector<std::byte>& bytes);

/// Makes of rows of `sums` what a receiver makes of them in this format.
void round_sums(std::span<std::int64_t> sums, std::size_t hidden, quant::sum_format format);

/// In the place of a width: the row is complete, `hidden` f32 that nothing may be added to.
inline constexpr std::uint8_t complete_row = 0;

/// Appends a complete row to `bytes` and its mark to `widths`.
void put_complete_row(std::span<const float> row, std::vector<std::byte>& widths,
                      std::vector<std::byte>& bytes);

/// Bytes of a row of this width.
[[nodiscard]] constexpr std::size_t row_bytes(std::uint8_t width, std::size_t hidden) noexcept {
  return is_rounded_row(width) ? rounded_row_bytes(width, hidden)
                               : hidden * (width == complete_row ? sizeof(float) : width);
}

/// What the call of a result allows beside integers.
struct allowed_rows {
  std::span<const std::byte> whole = {}; ///< per row, not 0: it may be complete; empty: none may be
  quant::sum_format format = quant::sum_format::exact; ///< what rows may be rounded to
};

/// Checks that `widths` and `bytes` describe `rows` rows of `hidden` sums.
[[nodiscard]] result<void> check_sums(std::span<const std::byte> widths,
                                      std::span<const std::byte> bytes, std::size_t rows,
                                      std::size_t hidden, const allowed_rows& allowed = {});

/// The sums that a complete row of `sums.size()` numbers was made from, as far as its f32 tell:
/// converted again they give the same f32. An error if a number is no sum.
[[nodiscard]] result<void> read_complete_row(std::span<const std::byte> bytes,
                                             std::span<std::int64_t> sums);

/// sums[i] += the i-th of `sums.size()` packed or rounded numbers. @pre checked
void add_packed(std::span<const std::byte> bytes, std::uint8_t width, std::span<std::int64_t> sums);

} // namespace larql::schema
