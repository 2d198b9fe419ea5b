// Brings rows of a source tensor into the encoding of an output file.
//
// Numerics  Equal encodings are copied, so nothing is lost; everything else goes through floats.
// Threads   convert_rows is pure; different rows may be converted by different threads.

#pragma once

#include "runtime/import/checkpoint.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace larql::import {

/// How a tensor is stored: an encoding and a row width that may be padded with zeros.
struct target {
  quant::encoding format = quant::encoding::f32;
  std::uint32_t cols = 0;

  [[nodiscard]] std::uint64_t row_bytes() const noexcept { return quant::row_bytes(format, cols); }
};

/// True if `format` can be produced: float formats, Q4_K and Q6_K always; others only unchanged.
[[nodiscard]] bool can_convert(const source_tensor& from, quant::encoding format) noexcept;

/// Writes rows [begin, end) of `from` (counted over all outer dimensions) times `scale` to `out`.
/// False if a number to be rounded is NaN or infinite, or too large for the encoding; copies are
/// not looked at.
/// @pre can_convert, and to a float format, Q4_K or Q6_K unless scale is 1; out holds (end - begin)
/// * to.row_bytes()
[[nodiscard]] bool convert_rows(const source_tensor& from, std::uint64_t begin, std::uint64_t end,
                                const target& to, std::span<std::byte> out, float scale = 1);

} // namespace larql::import
