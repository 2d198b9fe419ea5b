// Quantised blocks taken apart, in plain C++: what each byte means. The reference kernels, the
// embedding lookup and the tests read weights through this file only.
//
// Source    block_facts.hpp and block_traits.hpp say where the parts of a block lie;
//           docs/vindex-format.md, "Block encodings", what they mean.
// Threads   Pure functions; input may have any alignment.

#pragma once

#include "runtime/quant/encoding.hpp"
#include "runtime/quant/half.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace larql::quant {

/// A block of 32: weight[i] = d * (code[i] - offset) + min.
struct block32 {
  float d = 0;
  float min = 0;
  int offset = 0;
  std::array<std::uint8_t, 32> code;
};

/// A block of 256 in sixteen groups of 16:
/// weight[i] = d * scale[i/16] * (code[i] - offset) - d_min * min[i/16].
struct block256 {
  float d = 0;
  float d_min = 0;
  int offset = 0;
  std::array<int, 16> scale;
  std::array<int, 16> min;
  std::array<std::uint8_t, 256> code;
};

inline std::uint8_t byte_at(const std::byte* p, std::size_t i) noexcept {
  return static_cast<std::uint8_t>(p[i]);
}
inline std::uint16_t u16_at(const std::byte* p, std::size_t i) noexcept {
  return static_cast<std::uint16_t>(byte_at(p, i) | byte_at(p, i + 1) << 8);
}
inline std::uint32_t u32_at(const std::byte* p, std::size_t i) noexcept {
  return u16_at(p, i) | static_cast<std::uint32_t>(u16_at(p, i + 2)) << 16;
}

/// d of a block, its factor included.
[[nodiscard]] inline float d_of(const block_facts& facts, const std::byte* p) noexcept {
  return facts.d_is == d_kind::exponent ? exponent_to_float(byte_at(p, facts.d_at))
                                        : half_to_float(u16_at(p, facts.d_at)) * facts.d_factor;
}

/// @pre shape_of(e).weights == 32
[[nodiscard]] block32 decode_block32(encoding e, const std::byte* p) noexcept;

/// @pre shape_of(e).weights == 256
[[nodiscard]] block256 decode_block256(encoding e, const std::byte* p) noexcept;

/// The six-bit scale and minimum of sub-block j (0..7) in the 12 bytes of scale_layout::six_bit.
struct scale_min {
  int scale;
  int min;
};
[[nodiscard]] scale_min unpack_scale_min(const std::byte* packed, std::size_t j) noexcept;

/// Expands one row of `cols` weights to floats. @pre `cols` is a whole number of blocks
void dequantize_row(encoding e, const std::byte* row, std::size_t cols, float* out) noexcept;

/// False if any scale (or plain float) of the row is NaN or infinite.
[[nodiscard]] bool row_is_finite(encoding e, const std::byte* row, std::size_t cols) noexcept;

} // namespace larql::quant
