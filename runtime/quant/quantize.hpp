// Rounds float rows to the two encodings that the reference's vindex uses.
//
// Numerics  Least squares: codes, scales and minima are chosen to make the sum of squared errors
//           small (a search over scale candidates, then refits), not to mimic another quantiser.
// Threads   Pure functions.

#pragma once

#include "runtime/quant/encoding.hpp"

#include <cstddef>
#include <span>

namespace larql::quant {

/// Writes `x.size()` weights as Q4_K blocks. @pre x.size() % 256 == 0, every x is finite
void quantize_row_q4_k(std::span<const float> x, std::byte* out) noexcept;

/// Writes `x.size()` weights as Q6_K blocks in linear order. @pre as above
void quantize_row_q6_k(std::span<const float> x, std::byte* out) noexcept;

/// Rearranges a Q6_K block from ggml's element order to linear order. The weights stay the same.
void linear_from_ggml_q6_k(const std::byte* ggml_block, std::byte* out) noexcept;

/// Makes blocks of vindex_encoding(from) of blocks of `from`, in place. @pre whole blocks
void to_vindex_encoding(encoding from, std::span<std::byte> blocks) noexcept;

} // namespace larql::quant
