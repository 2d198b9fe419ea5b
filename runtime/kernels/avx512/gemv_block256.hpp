// Products of many weight rows with one to three inputs, AVX-512, for Q4_K and Q5_K: the kernel of
// decoding, which must be faster than memory. Included by matmul_*.cpp only.
//
// Four blocks at a time: their scales are taken apart together, and their integer sums are added
// up together. The inputs' codes are put in the order in which whole registers of weights come
// apart: 64 bytes hold the groups 0 and 2 in their low halves, 1 and 3 in their high halves.

#pragma once

#include "runtime/kernels/avx512/decode.hpp"
#include "runtime/kernels/avx512/dot_block256.hpp"

namespace larql::kernels::avx512 {

/// Inputs of at most so many codes, for the stack's sake; longer ones go through dot_256.
inline constexpr std::size_t gemv256_cols = 16384;
/// From four inputs on, transposing sixteen rows (tile_block256.hpp) is faster.
inline constexpr std::size_t gemv256_inputs = 3;

/// The kernel reads d, d_min and the packed scales as the first sixteen bytes of a block.
constexpr bool is_for_gemv256(const block_facts& f) {
  return f.weights == 256 && f.scales == scale_layout::six_bit && f.d_at == 0 && f.min_at == 2 &&
         f.scales_at == 4 &&
         (f.codes == code_layout::k_nibbles || f.codes == code_layout::k_nibbles_fifth);
}
template <encoding E>
inline constexpr bool has_gemv256 = is_for_gemv256(block_traits<E>);

// Groups of 32 in the order 0 2 1 3 4 6 5 7 of every block.
static inline void order_groups(const std::int8_t* q, std::size_t cols, std::int8_t* out) {
  for (std::size_t i = 0; i < cols; i += 128) {
    const auto a = _mm512_loadu_si512(q + i), b = _mm512_loadu_si512(q + i + 64);
    _mm512_store_si512(out + i, _mm512_shuffle_i64x2(a, b, 0x44));
    _mm512_store_si512(out + i + 64, _mm512_shuffle_i64x2(a, b, 0xee));
  }
}

/// What four blocks have in front of their codes.
struct four_heads {
  __m512i d;      // d | d_min << 16 in lanes 0, 4, 8, 12
  __m512i scales; // a 128-bit lane per block: eight scales, eight minima, a byte each
};

// The first sixteen bytes of a block are d, d_min and twelve bytes of six-bit numbers.
template <encoding E, int Count>
static inline four_heads load_heads(const std::uint8_t* p) {
  constexpr auto bytes = block_traits<E>.bytes;
  auto h = _mm512_zextsi128_si512(_mm_loadu_si128(as128(p)));
  if constexpr (Count > 1)
    h = _mm512_inserti32x4(h, _mm_loadu_si128(as128(p + bytes)), 1);
  if constexpr (Count > 2)
    h = _mm512_inserti32x4(h, _mm_loadu_si128(as128(p + 2 * bytes)), 2);
  if constexpr (Count > 3)
    h = _mm512_inserti32x4(h, _mm_loadu_si128(as128(p + 3 * bytes)), 3);
  // Behind d come the dwords a b c. Six bits of each byte of a and b are scales and minima 0-3; the
  // others have their low bits in c and their high bits on top of a and b.
  const auto acbc = _mm512_shuffle_epi32(h, static_cast<_MM_PERM_ENUM>(0xed));
  const auto tops = _mm512_srli_epi32(_mm512_shuffle_epi32(h, static_cast<_MM_PERM_ENUM>(0x84)), 2);
  const auto low = _mm512_and_si512(
      _mm512_srlv_epi32(acbc, _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0, 0, 4))),
      _mm512_broadcast_i32x4(_mm_setr_epi32(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f)));
  const auto high_mask = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x30303030, 0, 0x30303030));
  // 0xf8: low | (tops & high_mask)
  return {h, _mm512_ternarylogic_epi32(low, tops, high_mask, 0xf8)};
}

// Sixteen-bit lane i takes scale byte `first + i's group`; see products() for the order of groups.
static inline __m512i spread_scales(__m512i scales, char first) {
  const auto groups = _mm512_set_epi16(3, 3, 3, 3, 2, 2, 2, 2, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1,
                                       0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0);
  return _mm512_maskz_permutexvar_epi8(0x5555555555555555u,
                                       _mm512_add_epi16(groups, _mm512_set1_epi16(first)), scales);
}

// The minima of two blocks, each twice: one for each sum of sixteen inputs.
static inline __m512i spread_minima(__m512i scales, char first) {
  const auto groups = _mm512_set_epi16(23, 23, 22, 22, 21, 21, 20, 20, 19, 19, 18, 18, 17, 17, 16,
                                       16, 7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
  return _mm512_maskz_permutexvar_epi8(0x5555555555555555u,
                                       _mm512_add_epi16(groups, _mm512_set1_epi16(first)), scales);
}

// Codes of groups [0 2], [1 3], [4 6], [5 7].
template <encoding E>
static inline void unpack_groups(const std::uint8_t* p, __m512i* code) {
  constexpr auto& facts = block_traits<E>;
  for (int h = 0; h < 2; ++h) {
    const auto halves = split_nibbles(_mm512_loadu_si512(p + facts.codes_at + 64 * h));
    code[2 * h] = halves.first;
    code[2 * h + 1] = halves.second;
  }
  if constexpr (facts.codes == code_layout::k_nibbles_fifth) {
    const auto fifth = _mm512_broadcast_i64x4(_mm256_loadu_si256(as256(p + facts.high_at)));
    const auto bits_of = [](int first,
                            int second) { // bit g of byte i belongs to element i of group g
      return _mm512_inserti64x4(
          _mm512_castsi256_si512(_mm256_set1_epi8(static_cast<char>(1 << first))),
          _mm256_set1_epi8(static_cast<char>(1 << second)), 1);
    };
    const __m512i bits[4] = {bits_of(0, 2), bits_of(1, 3), bits_of(4, 6), bits_of(5, 7)};
    for (int g = 0; g < 4; ++g)
      code[g] = _mm512_mask_add_epi8(code[g], _mm512_test_epi8_mask(fifth, bits[g]), code[g],
                                     _mm512_set1_epi8(16));
  }
}

// Sums of four products are packed to sixteen bits.
template <encoding E>
inline constexpr bool products_fit = 4 * block_traits<E>.max_code * 127 <= 32767;

// Sum over groups of scale * (codes · inputs), still spread over sixteen lanes. Packing takes turns
// between its arguments in every 128-bit lane: groups 0 1 | 0 1 | 2 3 | 2 3.
static inline __m512i products(const __m512i* code, const std::int8_t* q, __m512i scale01,
                               __m512i scale23) {
  __m512i dot[4];
  for (int g = 0; g < 4; ++g)
    dot[g] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), code[g], _mm512_load_si512(q + 64 * g));
  const auto z = _mm512_madd_epi16(_mm512_packs_epi32(dot[0], dot[1]), scale01);
  return _mm512_dpwssd_epi32(z, _mm512_packs_epi32(dot[2], dot[3]), scale23);
}

// Lanes 0-7 of a and b belong to blocks 0 and 2, lanes 8-15 to blocks 1 and 3.
static inline __m128i sum_halves(__m512i a, __m512i b) {
  auto s = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_BADC));
  s = _mm512_add_epi32(s, _mm512_shuffle_i64x2(s, s, 0xb1));
  const auto order = _mm512_castsi128_si512(_mm_setr_epi32(0, 8, 1, 9));
  return _mm512_castsi512_si128(_mm512_permutexvar_epi32(order, s));
}

/// One input as the kernel reads it.
struct gemv_input {
  const std::int8_t* q; // groups in the order of order_groups
  const std::int16_t* sums;
  const float* scale;
};

// Adds Count blocks, the first of which is `first`, to the accumulator lanes 0 to Count - 1 of each
// input. The weights are taken apart once for all inputs.
template <encoding E, int Count, int Inputs>
static inline void add_blocks(const std::uint8_t* p, const gemv_input* x, std::size_t first,
                              __m128* acc) {
  constexpr auto bytes = block_traits<E>.bytes;
  prefetch<Count * bytes>(address(p, row_prefetch_bytes));
  static_assert(products_fit<E>);
  const auto heads = load_heads<E, Count>(p);
  __m512i sum[Inputs][4];
  for (int b = 0; b < 4; ++b) {
    if (b >= Count) {
      for (int n = 0; n < Inputs; ++n)
        sum[n][b] = _mm512_setzero_si512();
      continue;
    }
    __m512i code[4];
    unpack_groups<E>(p + b * bytes, code);
    const auto scale01 = spread_scales(heads.scales, static_cast<char>(16 * b));
    const auto scale23 = spread_scales(heads.scales, static_cast<char>(16 * b + 4));
    for (int n = 0; n < Inputs; ++n)
      sum[n][b] = products(code, x[n].q + (first + b) * 256, scale01, scale23);
  }
  const auto first_dwords = _mm512_castsi128_si512(_mm_setr_epi32(0, 4, 8, 12));
  const auto floats = _mm256_cvtph_ps(
      _mm512_castsi512_si128(_mm512_permutexvar_epi32(first_dwords, heads.d))); // d m d m d m d m
  const auto front = _mm256_castps256_ps128(floats), back = _mm256_extractf128_ps(floats, 1);
  const auto d = _mm_shuffle_ps(front, back, 0x88), d_min = _mm_shuffle_ps(front, back, 0xdd);
  const __m512i minima[2] = {spread_minima(heads.scales, 8), spread_minima(heads.scales, 40)};
  for (int n = 0; n < Inputs; ++n) {
    __m512i min_sum[2];
    for (int h = 0; h < 2; ++h) // sums after the last block are zeros
      min_sum[h] =
          2 * h < Count
              ? _mm512_madd_epi16(_mm512_loadu_si512(x[n].sums + first * 16 + 32 * h), minima[h])
              : _mm512_setzero_si512();
    const auto scale = _mm_loadu_ps(x[n].scale + first);
    const auto total = sum_each(sum[n][0], sum[n][1], sum[n][2], sum[n][3]);
    acc[n] = _mm_fmadd_ps(_mm_mul_ps(d, scale), _mm_cvtepi32_ps(total), acc[n]);
    const auto mins = sum_halves(min_sum[0], min_sum[1]);
    acc[n] = _mm_fnmadd_ps(_mm_mul_ps(d_min, scale), _mm_cvtepi32_ps(mins), acc[n]);
  }
}

template <encoding E, int Inputs>
static inline void gemv_row(const std::uint8_t* p, std::size_t blocks, const gemv_input* x,
                            float* out, std::size_t out_stride) {
  constexpr auto bytes = block_traits<E>.bytes;
  __m128 acc[Inputs];
  for (int n = 0; n < Inputs; ++n)
    acc[n] = _mm_setzero_ps();
  std::size_t b = 0;
  for (; b + 4 <= blocks; b += 4)
    add_blocks<E, 4, Inputs>(p + b * bytes, x, b, acc);
  switch (blocks - b) {
  case 1: add_blocks<E, 1, Inputs>(p + b * bytes, x, b, acc); break;
  case 2: add_blocks<E, 2, Inputs>(p + b * bytes, x, b, acc); break;
  case 3: add_blocks<E, 3, Inputs>(p + b * bytes, x, b, acc); break;
  default: break;
  }
  for (int n = 0; n < Inputs; ++n) {
    const auto pair = _mm_add_ps(acc[n], _mm_movehl_ps(acc[n], acc[n]));
    out[n * out_stride] = _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
  }
}

/// out[n * out_stride + r] = row r · input n, for `rows` rows and Inputs inputs from `input` on.
/// @pre x.cols <= gemv256_cols
template <encoding E, int Inputs>
static inline void gemv_block256(const std::uint8_t* base, std::size_t stride, std::size_t rows,
                                 const activation_view& x, std::size_t input, float* out,
                                 std::size_t out_stride) {
  alignas(64) std::int8_t q[Inputs][gemv256_cols];
  gemv_input in[Inputs];
  for (int n = 0; n < Inputs; ++n) {
    const auto i = input + static_cast<std::size_t>(n);
    order_groups(x.q + i * x.cols, x.cols, q[n]);
    in[n] = {q[n], x.sums + i * x.sum_stride, x.scale + i * x.scale_stride};
  }
  for (std::size_t r = 0; r < rows; ++r)
    gemv_row<E, Inputs>(base + r * stride, x.cols / 256, in, out + r, out_stride);
}

} // namespace larql::kernels::avx512
