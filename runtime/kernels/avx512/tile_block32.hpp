// Products of sixteen or 32 weight rows with several inputs, AVX-512, blocks of 32. Included by
// matmul_*.cpp only. Same plan as tile_block256.hpp: rows are transposed, four blocks at a
// time, so that each 32-bit lane holds one row.

#pragma once

#include "runtime/kernels/avx512/decode_block32.hpp"
#include "runtime/kernels/avx512/tile_float.hpp"
#include "runtime/kernels/avx512/transpose.hpp"

#include <algorithm>

namespace larql::kernels::avx512 {

/// Blocks that are transposed, and then multiplied, together.
inline constexpr std::size_t tile32_blocks = 4;

/// Some blocks of sixteen rows, transposed: lanes are rows.
struct transposed32 {
  __m512i code[tile32_blocks][8]; ///< code[b][k]: weights 4k..4k+3
  __m512 d[tile32_blocks];
  __m512 min[tile32_blocks]; ///< only if has_min
};

/// Inputs that share one transposed tile: their accumulators stay in the first-level cache.
inline constexpr std::size_t tile32_inputs = 32;

// The half-precision numbers at the start of `count` (1 to 4) blocks of sixteen rows.
template <std::size_t Bytes>
[[gnu::always_inline]] static inline void
transpose_halves(const std::uint8_t* base, std::size_t stride, std::size_t count, __m512* out) {
  alignas(64) std::uint64_t halves[16]; // block b in bits 16b..
  const auto half = [](const std::uint8_t* p) {
    std::uint16_t h;
    std::memcpy(&h, p, 2);
    return std::uint64_t{h};
  };
  for (std::size_t r = 0; r < lane_rows; ++r) {
    const auto* p = base + r * stride;
    halves[r] = half(p);
    for (std::size_t b = 1; b < count; ++b)
      halves[r] |= half(p + b * Bytes) << 16 * b;
  }
  const auto low = _mm512_load_si512(halves), high = _mm512_load_si512(halves + 8);
  const auto rows = _mm512_set_epi16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 56, 52, 48,
                                     44, 40, 36, 32, 28, 24, 20, 16, 12, 8, 4, 0);
  for (short b = 0; b < 4; ++b)
    out[b] = _mm512_cvtph_ps(_mm512_castsi512_si256(
        _mm512_permutex2var_epi16(low, _mm512_add_epi16(rows, _mm512_set1_epi16(b)), high)));
}

// The bytes at the start of `count` (1 to 4) blocks of sixteen rows, which are exponents.
template <std::size_t Bytes>
[[gnu::always_inline]] static inline void
transpose_exponents(const std::uint8_t* base, std::size_t stride, std::size_t count, __m512* out) {
  for (std::size_t b = 0; b < count; ++b) {
    alignas(64) std::uint32_t e[lane_rows];
    for (std::size_t r = 0; r < lane_rows; ++r)
      e[r] = base[r * stride + b * Bytes];
    out[b] = exponents_to_floats(_mm512_load_si512(e));
  }
}

// Sixteen bytes hold two codes each.
static inline void transpose_nibbles(const std::uint8_t* base, std::size_t stride, __m512i* code) {
  __m512i both[4];
  transpose_16_bytes(base, stride, both);
  for (int k = 0; k < 4; ++k) {
    const auto halves = split_nibbles(both[k]);
    code[k] = halves.first;
    code[4 + k] = halves.second;
  }
}

// The four bytes at `base` have a fifth bit for each code.
static inline void transpose_fifth_bits(const std::uint8_t* base, std::size_t stride,
                                        __m512i* code) {
  __m512i dwords[4];
  transpose_16_bytes(base, stride, dwords);
  const auto lanes = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
  const auto low = _mm512_set1_epi32(0x08040201), high = _mm512_slli_epi32(low, 4);
  for (int k = 0; k < 8; ++k) { // byte k / 2 of each lane, four bits of it
    const auto which = _mm512_or_si512(lanes, _mm512_set1_epi8(static_cast<char>(k / 2)));
    const auto set =
        _mm512_test_epi8_mask(_mm512_shuffle_epi8(dwords[0], which), k % 2 == 0 ? low : high);
    code[k] = _mm512_mask_add_epi8(code[k], set, code[k], _mm512_set1_epi8(16));
  }
}

template <encoding E>
static inline void transpose_block32(const std::uint8_t* base, std::size_t stride, __m512i* code) {
  constexpr auto& facts = block_traits<E>;
  if constexpr (facts.codes == code_layout::signed_bytes) {
    transpose_16_bytes(base + facts.codes_at, stride, code);
    transpose_16_bytes(base + facts.codes_at + 16, stride, code + 4);
  } else {
    transpose_nibbles(base + facts.codes_at, stride, code);
  }
  if constexpr (facts.codes == code_layout::nibbles_fifth)
    transpose_fifth_bits(base + facts.high_at, stride, code);
  for (int k = 0; k < 8; ++k) {
    if constexpr (facts.codes == code_layout::signed_bytes)
      code[k] = _mm512_xor_si512(code[k], _mm512_set1_epi8(static_cast<char>(0x80)));
    if constexpr (facts.codes == code_layout::nibbles_iq4_nl)
      code[k] = _mm512_shuffle_epi8(iq4_nl_table(), code[k]);
    if constexpr (facts.codes == code_layout::nibbles_mxfp4)
      code[k] = _mm512_shuffle_epi8(mxfp4_table(), code[k]);
  }
}

// `count` (1 to 4) blocks.
template <encoding E>
static inline void transpose_blocks32(const std::uint8_t* base, std::size_t stride,
                                      std::size_t count, transposed32& out) {
  constexpr auto& facts = block_traits<E>;
  for (std::size_t b = 0; b < count; ++b)
    transpose_block32<E>(base + b * facts.bytes, stride, out.code[b]);
  if constexpr (facts.d_is == quant::d_kind::exponent)
    transpose_exponents<facts.bytes>(base + facts.d_at, stride, count, out.d);
  else
    transpose_halves<facts.bytes>(base + facts.d_at, stride, count, out.d);
  if constexpr (facts.has_min)
    transpose_halves<facts.bytes>(base + facts.min_at, stride, count, out.min);
}

// `count` blocks of Tiles tiles and Inputs inputs; the accumulators of each block are
// tile32_inputs behind those of the one before. Not inlined, so that GCC assigns registers
// for this loop alone.
template <encoding E, int Tiles, int Inputs, int Prefetch>
[[gnu::noinline]] static void block_step32(const transposed32* w, const block_inputs& x,
                                           __m512 (*acc)[step_tiles], std::size_t count,
                                           std::uintptr_t next) {
  constexpr auto& facts = block_traits<E>;
  const auto* q = x.q;
  const auto cols = x.cols;
  for (std::size_t b = 0; b < count; ++b, q += 32) {
    if constexpr (Prefetch > 0) {
      prefetch<Prefetch * facts.bytes>(next);
      next += Prefetch * facts.bytes;
    }
    __m512i total[Inputs][Tiles];
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n) {
      const auto start = facts.offset != 0
                             ? _mm512_set1_epi32(-(x.sums[n * x.sum_stride + b] * facts.offset))
                             : _mm512_setzero_si512();
      LARQL_UNROLL
      for (int s = 0; s < Tiles; ++s)
        total[n][s] = start;
    }
    LARQL_UNROLL
    for (int k = 0; k < 8; ++k) {
      LARQL_UNROLL
      for (int n = 0; n < Inputs; ++n) {
        const auto a = broadcast_dword(q + n * cols + 4 * k);
        LARQL_UNROLL
        for (int s = 0; s < Tiles; ++s)
          total[n][s] = _mm512_dpbusd_epi32(total[n][s], w[s].code[b][k], a);
      }
    }
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n) {
      const auto scale = _mm512_set1_ps(x.scale[n * x.scale_stride + b]);
      LARQL_UNROLL
      for (int s = 0; s < Tiles; ++s) {
        auto& lane = acc[b * tile32_inputs + n][s];
        lane =
            _mm512_fmadd_ps(_mm512_mul_ps(w[s].d[b], scale), _mm512_cvtepi32_ps(total[n][s]), lane);
        if constexpr (facts.has_min)
          lane = _mm512_fmadd_ps(_mm512_mul_ps(w[s].min[b], scale),
                                 _mm512_set1_ps(static_cast<float>(x.sums[n * x.sum_stride + b])),
                                 lane);
      }
    }
  }
}

template <encoding E, int Tiles, int Prefetch>
static void step32(const transposed32* w, const block_inputs& x, __m512 (*acc)[step_tiles],
                   std::size_t count, std::size_t inputs, std::uintptr_t next) {
  switch (inputs) {
  case 1: return block_step32<E, Tiles, 1, Prefetch>(w, x, acc, count, next);
  case 2: return block_step32<E, Tiles, 2, Prefetch>(w, x, acc, count, next);
  case 3: return block_step32<E, Tiles, 3, Prefetch>(w, x, acc, count, next);
  default: return block_step32<E, Tiles, 4, Prefetch>(w, x, acc, count, next);
  }
}

template <encoding E, int Tiles>
static void tile_32(const std::uint8_t* base, std::size_t stride, const activation_view& x,
                    std::size_t input, std::size_t inputs, float* out, std::size_t out_stride) {
  const std::size_t blocks = x.cols / 32;
  __m512 acc[16][tile32_inputs][step_tiles]; // those of a step are neighbours
  for (auto& lane : acc)
    for (std::size_t n = 0; n < inputs; ++n)
      for (std::size_t s = 0; s < Tiles; ++s)
        lane[n][s] = _mm512_setzero_ps();
  for (std::size_t b = 0; b < blocks; b += tile32_blocks) {
    transposed32 w[Tiles];
    const auto* at = base + b * block_traits<E>.bytes;
    const auto count = std::min(blocks - b, tile32_blocks);
    for (std::size_t s = 0; s < Tiles; ++s)
      transpose_blocks32<E>(at + s * lane_rows * stride, stride, count, w[s]);
    const auto next = address(base, Tiles * lane_rows * (stride + b * block_traits<E>.bytes));
    for (std::size_t n = 0; n < inputs; n += step_inputs) {
      const auto in = inputs_at<32, 1>(x, input + n, b);
      auto* sums = acc[b % 16] + n;
      const auto some = std::min(inputs - n, step_inputs);
      if (n == 0)
        step32<E, Tiles, Tiles* static_cast<int>(lane_rows)>(w, in, sums, count, some, next);
      else
        step32<E, Tiles, 0>(w, in, sums, count, some, next);
    }
  }
  for (std::size_t n = 0; n < inputs; ++n)
    for (std::size_t s = 0; s < Tiles; ++s) {
      for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; ++l)
          acc[l][n][s] = _mm512_add_ps(acc[l][n][s], acc[l + half][n][s]);
      _mm512_storeu_ps(out + n * out_stride + s * lane_rows, acc[0][n][s]);
    }
}

} // namespace larql::kernels::avx512
