// Sixteen weight rows transposed so that each 32-bit lane holds one row. Included by
// tile_block256.hpp and tile_block32.hpp only.
//
// Sixteen registers of sixteen dwords take 64 shuffles, which with few inputs is as much as the
// products. Two things halve that: codes are transposed while two of them still share a byte, and
// sixteen bytes of a row are put into their 128-bit lane as they are loaded.

#pragma once

#include "runtime/kernels/avx512/decode.hpp"

namespace larql::kernels::avx512 {

inline constexpr std::size_t lane_rows = 16;

// out[k] lane r = dword k of in[r].
static inline void transpose_dwords(const __m512i* in, __m512i* out) {
  __m512i a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32(in[i], in[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32(in[i], in[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  // b[4g + m]: 128-bit lane L holds dword 4L + m of rows 4g..4g+3.
  for (int m = 0; m < 4; ++m) {
    const auto low = _mm512_shuffle_i32x4(b[m], b[4 + m], 0x44);       // lanes 0 1 of rows 0-7
    const auto high = _mm512_shuffle_i32x4(b[m], b[4 + m], 0xee);      // lanes 2 3
    const auto low2 = _mm512_shuffle_i32x4(b[8 + m], b[12 + m], 0x44); // of rows 8-15
    const auto high2 = _mm512_shuffle_i32x4(b[8 + m], b[12 + m], 0xee);
    out[m] = _mm512_shuffle_i32x4(low, low2, 0x88);
    out[4 + m] = _mm512_shuffle_i32x4(low, low2, 0xdd);
    out[8 + m] = _mm512_shuffle_i32x4(high, high2, 0x88);
    out[12 + m] = _mm512_shuffle_i32x4(high, high2, 0xdd);
  }
}

// The same for sixteen bytes of each row, which are put into their 128-bit lanes as they are
// loaded: out[k] lane r = dword k of row r.
static inline void transpose_16_bytes(const std::uint8_t* base, std::size_t stride, __m512i* out) {
  __m512i z[4]; // 128-bit lane L of z[g]: row 4L + g
  for (std::size_t g = 0; g < 4; ++g)
    z[g] = load_lanes128(base + g * stride, 4 * stride, 4);
  const auto ab = _mm512_unpacklo_epi32(z[0], z[1]), ab2 = _mm512_unpackhi_epi32(z[0], z[1]);
  const auto cd = _mm512_unpacklo_epi32(z[2], z[3]), cd2 = _mm512_unpackhi_epi32(z[2], z[3]);
  out[0] = _mm512_unpacklo_epi64(ab, cd);
  out[1] = _mm512_unpackhi_epi64(ab, cd);
  out[2] = _mm512_unpacklo_epi64(ab2, cd2);
  out[3] = _mm512_unpackhi_epi64(ab2, cd2);
}

/// One block of sixteen rows, transposed: lanes are rows. Codes of a nibble stay packed, the first
/// group of each pair in the low halves of bytes.
template <encoding E>
struct transposed256 {
  static constexpr int groups = block_traits<E>.groups;
  static constexpr bool packed = block_traits<E>.codes == code_layout::k_nibbles;

  __m512i code[packed ? 32 : 64]; ///< code[k]: weights 4k..4k+3 if not packed
  __m512i scale[groups];
  __m512i offset[8]; ///< what sums of 16 inputs are multiplied with, two of 16 bits per lane
  __m512 d;
  __m512 d_min; ///< only if has_min

  /// Dword k of the groups 2p and 2p + 1.
  [[nodiscard]] code_pair pair(int p, int k) const {
    constexpr int dwords = 64 / groups;
    if constexpr (packed)
      return split_nibbles(code[dwords * p + k]);
    else
      return {code[2 * dwords * p + k], code[2 * dwords * p + dwords + k]};
  }
};

// d, d_min and the twelve bytes of k_scale_bytes() are four dwords, which are taken apart for all
// rows at once.
template <encoding E>
static inline void transpose_six_bit_header(const std::uint8_t* base, std::size_t stride,
                                            transposed256<E>& out) {
  constexpr auto& facts = block_traits<E>;
  static_assert(facts.min_at == facts.d_at + 2 && facts.scales_at == facts.d_at + 4);
  __m512i head[4]; // lanes are rows from here on
  transpose_16_bytes(base + facts.d_at, stride, head);
  const auto both = head[0], a = head[1], b = head[2], c = head[3];
  out.d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(both));
  out.d_min = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(both, 16)));
  const auto six = _mm512_set1_epi8(0x3f), four = _mm512_set1_epi8(0x0f),
             high_two = _mm512_set1_epi8(0x30);
  const auto join = [&](__m512i low, __m512i high) {
    return _mm512_or_si512(_mm512_and_si512(low, four),
                           _mm512_and_si512(_mm512_srli_epi32(high, 2), high_two));
  };
  const __m512i scales[2] = {_mm512_and_si512(a, six), join(c, a)};
  const __m512i mins[2] = {_mm512_and_si512(b, six), join(_mm512_srli_epi32(c, 4), b)};
  const auto dwords = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 4, 8, 12));
  for (int j = 0; j < 8; ++j) {
    // Byte j % 4 of each dword, alone, or in both 16-bit halves; 0x80 gives a zero.
    const auto byte = _mm512_add_epi32(dwords, _mm512_set1_epi32(j % 4));
    const auto once = _mm512_or_si512(byte, _mm512_set1_epi32(static_cast<int>(0x80808000u)));
    const auto twice = _mm512_or_si512(_mm512_or_si512(byte, _mm512_slli_epi32(byte, 16)),
                                       _mm512_set1_epi32(static_cast<int>(0x80008000u)));
    out.scale[j] = _mm512_shuffle_epi8(scales[j / 4], once);
    out.offset[j] = _mm512_shuffle_epi8(mins[j / 4], twice);
  }
}

// Sixteen bytes of each row, from `bytes` of its block.
template <class Bytes>
static inline void transpose_bytes_of(const std::uint8_t* base, std::size_t stride, Bytes bytes,
                                      __m512i* out) {
  alignas(64) std::uint8_t rows[lane_rows][16];
  for (std::size_t r = 0; r < lane_rows; ++r)
    _mm_store_si128(reinterpret_cast<__m128i*>(rows[r]), bytes(base + r * stride));
  transpose_16_bytes(rows[0], 16, out);
}

// Two numbers of 16 bits in each lane.
static inline __m512i lane_pairs(__m512i low, __m512i high) {
  return _mm512_mask_blend_epi16(0xaaaaaaaa, low, _mm512_slli_epi32(high, 16));
}

// A scale of one byte for each group.
template <encoding E>
static inline void transpose_byte_scales(const std::uint8_t* base, std::size_t stride,
                                         transposed256<E>& out) {
  constexpr auto& facts = block_traits<E>;
  alignas(64) std::uint32_t bits[16];
  for (std::size_t r = 0; r < lane_rows; ++r)
    bits[r] = d_bits<E>(base + r * stride);
  const auto d = _mm512_load_si512(bits);
  out.d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(d));
  if constexpr (facts.d_factor != 1)
    out.d = _mm512_mul_ps(out.d, _mm512_set1_ps(facts.d_factor));
  __m512i four[4]; // signed bytes
  if constexpr (facts.scales == scale_layout::signed_bytes)
    transpose_16_bytes(base + facts.scales_at, stride, four);
  else
    transpose_bytes_of(
        base, stride, [](const std::uint8_t* p) { return scale_bytes<E>(p); }, four);
  const auto byte_of = [&](unsigned g) {
    return _mm512_srai_epi32(_mm512_slli_epi32(four[g / 4], 24 - 8 * (g % 4)), 24);
  };
  for (unsigned g = 0; g < facts.groups; ++g)
    out.scale[g] = byte_of(g);
  if constexpr (facts.has_min) {
    out.d_min = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(d, 16)));
    const auto minima = [](const std::uint8_t* p) { return minimum_bytes(p + facts.scales_at); };
    transpose_bytes_of(base, stride, minima, four);
    for (unsigned g = 0; g < 8; ++g)
      out.offset[g] = lane_pairs(byte_of(2 * g), byte_of(2 * g + 1));
  } else {
    for (unsigned i = 0; i < 8; ++i) { // the scales themselves: the offset is taken later
      const auto first = facts.groups == 8 ? i : 2 * i;
      out.offset[i] = lane_pairs(out.scale[first], out.scale[facts.groups == 8 ? i : first + 1]);
    }
  }
}

template <encoding E>
static inline void transpose_codes(const std::uint8_t* base, std::size_t stride, __m512i* code) {
  __m512i rows[4][lane_rows]; // by 64 weights
  for (std::size_t r = 0; r < lane_rows; ++r) {
    __m512i row[4];
    unpack_all_codes<E>(base + r * stride, row);
    for (std::size_t g = 0; g < 4; ++g)
      rows[g][r] = row[g];
  }
  for (std::size_t g = 0; g < 4; ++g)
    transpose_dwords(rows[g], code + 16 * g);
}

template <encoding E>
static inline void transpose_block256(const std::uint8_t* base, std::size_t stride,
                                      transposed256<E>& out) {
  if constexpr (block_traits<E>.scales == scale_layout::six_bit)
    transpose_six_bit_header(base, stride, out);
  else
    transpose_byte_scales(base, stride, out);
  if constexpr (transposed256<E>::packed) { // two nibbles go on sharing a byte
    for (int i = 0; i < 8; ++i)
      transpose_16_bytes(base + block_traits<E>.codes_at + 16 * i, stride, out.code + 4 * i);
  } else {
    transpose_codes<E>(base, stride, out.code);
  }
}

} // namespace larql::kernels::avx512
