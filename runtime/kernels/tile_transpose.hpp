// Blocks of weight rows, transposed so that each 32-bit lane of a register holds one row: the
// integer sums of a block then need no horizontal step, and one broadcast input serves all rows.
//
// V stands for the registers of an instruction set; avx2/row_lanes.hpp is the model of it.

#pragma once

#include "runtime/quant/block_traits.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace larql::kernels {

/// All of a short loop, as straight code: its arrays are registers.
#define LARQL_UNROLL _Pragma("GCC unroll 16")

/// One block of 256 of V::rows rows: lanes are rows. Codes of a nibble stay packed, the first group
/// of each pair in the low halves of bytes.
template <class V, quant::encoding E>
struct transposed256 {
  static constexpr int groups = quant::block_traits<E>.groups;
  static constexpr int dwords = 64 / groups; ///< of codes in a group
  static constexpr bool packed = quant::block_traits<E>.codes == quant::code_layout::k_nibbles;

  typename V::ints code[packed ? 32 : 64];
  typename V::ints scale[groups]; ///< as V::add_scaled wants it
  typename V::ints offset[8];     ///< what sums of 16 inputs are multiplied with, two of 16 bits
  typename V::floats d;
  typename V::floats d_min; ///< only if has_min
};

// Dword k of group 2 * pair + half.
template <class V, quant::encoding E>
static inline typename V::ints code_of(const transposed256<V, E>& w, int pair, int half, int k) {
  using block = transposed256<V, E>;
  if constexpr (block::packed) {
    const auto both = w.code[block::dwords * pair + k];
    return half == 0 ? V::low_nibbles(both) : V::high_nibbles(both);
  } else {
    return w.code[block::dwords * (2 * pair + half) + k];
  }
}

// d, d_min and the twelve bytes of six-bit numbers are four dwords, which are taken apart for all
// rows at once.
template <class V, quant::encoding E>
static inline void transpose_six_bit_header(const std::uint8_t* base, std::size_t stride,
                                            transposed256<V, E>& out) {
  using ints = typename V::ints;
  constexpr auto& facts = quant::block_traits<E>;
  static_assert(facts.min_at == facts.d_at + 2 && facts.scales_at == facts.d_at + 4);
  ints head[4]; // lanes are rows from here on
  V::gather_16_bytes(base + facts.d_at, stride, head);
  const auto both = head[0], a = head[1], b = head[2], c = head[3];
  out.d = V::from_halves(both);
  out.d_min = V::from_halves(V::shift_right(both, 16));
  const auto six = V::splat(0x3f3f3f3f), four = V::splat(0x0f0f0f0f), high = V::splat(0x30303030);
  const auto join = [&](ints low, ints top) {
    return V::bit_or(V::bit_and(low, four), V::bit_and(V::shift_right(top, 2), high));
  };
  const ints scales[2] = {V::bit_and(a, six), join(c, a)};
  const ints minima[2] = {V::bit_and(b, six), join(V::shift_right(c, 4), b)};
  LARQL_UNROLL
  for (int j = 0; j < 8; ++j) {
    out.scale[j] = V::scale_of_byte(scales[j / 4], j % 4);
    out.offset[j] = V::byte_twice(minima[j / 4], j % 4);
  }
}

// A signed byte of scale for each group of 16; d stands somewhere behind the first 14 bytes.
template <class V, quant::encoding E>
static inline void transpose_byte_scales(const std::uint8_t* base, std::size_t stride,
                                         transposed256<V, E>& out) {
  using ints = typename V::ints;
  constexpr auto& facts = quant::block_traits<E>;
  static_assert(facts.d_at >= 14 && !facts.has_min);
  ints last[4], four[4];
  V::gather_16_bytes(base + facts.d_at - 14, stride, last);
  out.d = V::from_halves(V::shift_right(last[3], 16));
  V::gather_16_bytes(base + facts.scales_at, stride, four);
  LARQL_UNROLL
  for (int g = 0; g < 16; g += 2) {
    const auto first = V::signed_byte(four[g / 4], g % 4);
    const auto second = V::signed_byte(four[g / 4], g % 4 + 1);
    out.scale[g] = V::scale_of(first);
    out.scale[g + 1] = V::scale_of(second);
    out.offset[g / 2] = V::pair16(first, second); // the scales themselves: the offset comes later
  }
}

// Bit j of high byte i is bit 4 of weight 32j + i.
template <class V>
static inline void add_fifth_bits(const std::uint8_t* base, std::size_t stride,
                                  typename V::ints* code) {
  typename V::ints bits[8];
  V::gather_16_bytes(base, stride, bits);
  V::gather_16_bytes(base + 16, stride, bits + 4);
  const auto sixteen = V::splat(0x10101010);
  for (int i = 0; i < 8; ++i) {
    auto high = V::shift_left(bits[i], 4);
    LARQL_UNROLL
    for (int j = 0; j < 8; ++j) {
      if (j == 4)
        high = bits[i];
      const auto bit = V::bit_and(V::shift_right(high, j % 4), sixteen);
      code[8 * j + i] = V::bit_or(code[8 * j + i], bit);
    }
  }
}

// Four codes of six bits: the lower four of each, and the upper two where they belong in `bits`.
template <class V>
static inline typename V::ints six_bits(typename V::ints four, typename V::ints bits) {
  return V::bit_or(four, V::bit_and(bits, V::splat(0x30303030)));
}

// Byte i of the upper bits has those of the weights 4i to 4i + 3. So that they need no spreading,
// the dwords of a group of 16 take the weights 0 4 8 12, 1 5 9 13, ...: every second byte of the
// nibbles. order_inputs() puts the inputs into that order.
template <class V>
static inline void transpose_linear_six(const std::uint8_t* nibbles, const std::uint8_t* high,
                                        std::size_t stride, typename V::ints* code) {
  for (int i = 0; i < 4; ++i, nibbles += 32, high += 16, code += 16) { // 64 weights
    typename V::ints low[8], top[4];
    V::gather_16_bytes_even_first(nibbles, stride, low);
    V::gather_16_bytes_even_first(nibbles + 16, stride, low + 4);
    V::gather_16_bytes(high, stride, top);
    LARQL_UNROLL
    for (int g = 0; g < 4; ++g) {
      const auto even = low[2 * g], odd = low[2 * g + 1];
      code[4 * g] = six_bits<V>(V::low_nibbles(even), V::shift_left(top[g], 4));
      code[4 * g + 1] = six_bits<V>(V::high_nibbles(even), V::shift_left(top[g], 2));
      code[4 * g + 2] = six_bits<V>(V::low_nibbles(odd), top[g]);
      code[4 * g + 3] = six_bits<V>(V::high_nibbles(odd), V::shift_right(top[g], 2));
    }
  }
}

// Byte i of 32 upper bytes has those of the weights i, 32 + i, 64 + i and 96 + i.
template <class V>
static inline void transpose_ggml_six(const std::uint8_t* nibbles, const std::uint8_t* high,
                                      std::size_t stride, typename V::ints* code) {
  for (int i = 0; i < 2; ++i, nibbles += 64, high += 32, code += 32) { // 128 weights
    typename V::ints both[16], top[8];
    LARQL_UNROLL
    for (int k = 0; k < 4; ++k)
      V::gather_16_bytes(nibbles + 16 * k, stride, both + 4 * k);
    V::gather_16_bytes(high, stride, top);
    V::gather_16_bytes(high + 16, stride, top + 4);
    LARQL_UNROLL
    for (int k = 0; k < 8; ++k) {
      code[k] = six_bits<V>(V::low_nibbles(both[k]), V::shift_left(top[k], 4));
      code[8 + k] = six_bits<V>(V::low_nibbles(both[8 + k]), V::shift_left(top[k], 2));
      code[16 + k] = six_bits<V>(V::high_nibbles(both[k]), top[k]);
      code[24 + k] = six_bits<V>(V::high_nibbles(both[8 + k]), V::shift_right(top[k], 2));
    }
  }
}

template <class V, quant::encoding E>
static inline void transpose_block256(const std::uint8_t* base, std::size_t stride,
                                      transposed256<V, E>& out) {
  using quant::code_layout;
  constexpr auto& facts = quant::block_traits<E>;
  if constexpr (facts.scales == quant::scale_layout::six_bit)
    transpose_six_bit_header(base, stride, out);
  else
    transpose_byte_scales(base, stride, out);
  const auto* codes = base + facts.codes_at;
  if constexpr (facts.codes == code_layout::linear_six) {
    transpose_linear_six<V>(codes, base + facts.high_at, stride, out.code);
    return;
  }
  if constexpr (facts.codes == code_layout::ggml_six) {
    transpose_ggml_six<V>(codes, base + facts.high_at, stride, out.code);
    return;
  }
  for (int i = 0; i < 4; ++i) { // 64 weights
    typename V::ints both[8];
    V::gather_16_bytes(codes + 32 * i, stride, both);
    V::gather_16_bytes(codes + 32 * i + 16, stride, both + 4);
    LARQL_UNROLL
    for (int k = 0; k < 8; ++k) {
      if constexpr (transposed256<V, E>::packed) {
        out.code[8 * i + k] = both[k];
      } else {
        out.code[16 * i + k] = V::low_nibbles(both[k]);
        out.code[16 * i + 8 + k] = V::high_nibbles(both[k]);
      }
    }
  }
  if constexpr (facts.codes == code_layout::k_nibbles_fifth)
    add_fifth_bits<V>(base + facts.high_at, stride, out.code);
}

// ---- blocks of 32 -----------------------------------------------------------------------------

/// Blocks of 32 that are transposed, and then multiplied, together.
inline constexpr std::size_t tile32_blocks = 4;

/// Some blocks of 32 of V::rows rows. Codes too large for V's sums of products are taken apart into
/// planes of four bits.
template <class V, quant::encoding E>
struct transposed32 {
  static constexpr int planes = V::planes(quant::block_traits<E>.max_code);
  static constexpr int max_code = planes == 1 ? quant::block_traits<E>.max_code : 15;

  typename V::ints code[tile32_blocks][planes][8]; ///< [..][..][k]: weights 4k..4k+3
  typename V::floats d[tile32_blocks];
  typename V::floats min[tile32_blocks]; ///< only if has_min
};

// Bit i of the dword at `base` is bit 4 of weight i.
template <class V>
static inline void add_fifth_bits32(const std::uint8_t* base, std::size_t stride,
                                    typename V::ints* code) {
  typename V::ints bits[4];
  V::gather_16_bytes(base, stride, bits);
  const auto high = bits[0], low = V::shift_left(bits[0], 4);
  const auto each = V::splat(static_cast<std::int32_t>(0x80402010u)),
             sixteen = V::splat(0x10101010);
  LARQL_UNROLL
  for (int k = 0; k < 8; ++k) { // byte k / 2 four times, a bit of its half in each
    const auto byte = V::byte_four_times(k % 2 == 0 ? low : high, k / 2);
    code[k] = V::bit_or(code[k], V::min_bytes(V::bit_and(byte, each), sixteen));
  }
}

template <class V, quant::encoding E>
static inline void transpose_codes32(const std::uint8_t* base, std::size_t stride,
                                     typename V::ints (*code)[8]) {
  using quant::code_layout;
  using ints = typename V::ints;
  constexpr auto& facts = quant::block_traits<E>;
  ints whole[8];
  V::gather_16_bytes(base + facts.codes_at, stride, whole);
  if constexpr (facts.codes == code_layout::signed_bytes) {
    V::gather_16_bytes(base + facts.codes_at + 16, stride, whole + 4);
  } else {
    LARQL_UNROLL
    for (int k = 0; k < 4; ++k) {
      whole[4 + k] = V::high_nibbles(whole[k]);
      whole[k] = V::low_nibbles(whole[k]);
    }
  }
  if constexpr (facts.codes == code_layout::nibbles_fifth)
    add_fifth_bits32<V>(base + facts.high_at, stride, whole);
  LARQL_UNROLL
  for (int k = 0; k < 8; ++k) {
    if constexpr (facts.codes == code_layout::signed_bytes) // with the offset
      whole[k] = V::bit_xor(whole[k], V::splat(static_cast<std::int32_t>(0x80808080u)));
    if constexpr (facts.codes == code_layout::nibbles_iq4_nl)
      whole[k] = V::look_up(quant::iq4_nl_codes.data(), whole[k]);
    if constexpr (transposed32<V, E>::planes == 1) {
      code[0][k] = whole[k];
    } else {
      code[0][k] = V::low_nibbles(whole[k]);
      code[1][k] = V::high_nibbles(whole[k]);
    }
  }
}

// `count` (1 to 4) blocks.
template <class V, quant::encoding E>
static inline void transpose_blocks32(const std::uint8_t* base, std::size_t stride,
                                      std::size_t count, transposed32<V, E>& out) {
  constexpr auto& facts = quant::block_traits<E>;
  static_assert(facts.d_at == 0 && (!facts.has_min || facts.min_at == 2));
  for (std::size_t b = 0; b < count; ++b, base += facts.bytes) {
    transpose_codes32<V, E>(base, stride, out.code[b]);
    typename V::ints head[4];
    V::gather_16_bytes(base, stride, head);
    out.d[b] = V::from_halves(head[0]);
    if constexpr (facts.has_min)
      out.min[b] = V::from_halves(V::shift_right(head[0], 16));
  }
}

} // namespace larql::kernels
