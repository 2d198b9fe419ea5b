// Products of sixteen or 32 weight rows with several inputs, AVX-512, blocks of 256. Included by
// matmul_*.cpp only.
//
// Rows are transposed so that each 32-bit lane holds one row: the integer sums of a block then need
// no horizontal step, and one broadcast input serves all rows. The float operations per block keep
// the order of ref/kernels.cpp, with a register per accumulator lane.

#pragma once

#include "runtime/kernels/avx512/tile_float.hpp"
#include "runtime/kernels/avx512/transpose.hpp"

#include <algorithm>

namespace larql::kernels::avx512 {

/// Inputs that share one transposed tile: their accumulators stay in the first-level cache.
inline constexpr std::size_t tile256_inputs = 64;

// One block of Tiles tiles and Inputs inputs: exact sums, then the float step. Each load of codes
// serves all inputs, each of inputs all tiles. Two groups at a time, because two nibbles share a
// byte. Prefetches as much as Prefetch blocks from `next` on. Not inlined, so that GCC
// assigns registers for this loop alone.
template <encoding E, int Tiles, int Inputs, int Prefetch>
[[gnu::noinline]] static void block_step256(const transposed256<E>* w, const block_inputs& x,
                                            __m512 (*acc)[step_tiles], std::uintptr_t next) {
  constexpr int pairs = transposed256<E>::groups / 2;
  constexpr int dwords = 64 / transposed256<E>::groups; // of a group
  const auto* q = x.q;
  const auto cols = x.cols;
  __m512i total[Inputs][Tiles] = {}, offset[Inputs][Tiles] = {};
#pragma GCC unroll 1
  for (int p = 0; p < pairs; ++p, q += 8 * dwords) {
    // Between the products, where there are few loads. Into the first-level cache: asked for the
    // second only, some layouts of rows and stack came late from memory, and eight inputs took half
    // as long again.
    if constexpr (Prefetch > 0) {
      constexpr auto bytes = Prefetch * block_traits<E>.bytes / pairs;
      prefetch<bytes>(next);
      next += bytes;
    }
    __m512i first[Inputs][Tiles] = {}, second[Inputs][Tiles] = {};
    LARQL_UNROLL
    for (int k = 0; k < dwords; ++k) {
      code_pair code[Tiles];
      LARQL_UNROLL
      for (int s = 0; s < Tiles; ++s)
        code[s] = w[s].pair(p, k);
      LARQL_UNROLL
      for (int n = 0; n < Inputs; ++n) {
        const auto* at = q + n * cols + 4 * k;
        const auto a = broadcast_dword(at), b = broadcast_dword(at + 4 * dwords);
        LARQL_UNROLL
        for (int s = 0; s < Tiles; ++s) {
          first[n][s] = _mm512_dpbusd_epi32(first[n][s], code[s].first, a);
          second[n][s] = _mm512_dpbusd_epi32(second[n][s], code[s].second, b);
        }
      }
    }
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n) {
      LARQL_UNROLL
      for (int s = 0; s < Tiles; ++s) {
        const auto a = _mm512_mullo_epi32(first[n][s], w[s].scale[2 * p]);
        const auto b = _mm512_mullo_epi32(second[n][s], w[s].scale[2 * p + 1]);
        total[n][s] = _mm512_add_epi32(total[n][s], _mm512_add_epi32(a, b));
      }
    }
  }
  LARQL_UNROLL
  for (int g = 0; g < 8; ++g) {
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n) {
      const auto a = broadcast_dword(x.sums + n * x.sum_stride + 2 * g);
      LARQL_UNROLL
      for (int s = 0; s < Tiles; ++s)
        offset[n][s] = _mm512_dpwssd_epi32(offset[n][s], w[s].offset[g], a);
    }
  }
  LARQL_UNROLL
  for (int n = 0; n < Inputs; ++n) {
    const auto scale = _mm512_set1_ps(x.scale[n * x.scale_stride]);
    LARQL_UNROLL
    for (int s = 0; s < Tiles; ++s) {
      auto& lane = acc[n][s];
      const auto d = _mm512_mul_ps(w[s].d, scale);
      if constexpr (block_traits<E>.has_min) {
        lane = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(total[n][s]), lane);
        lane = _mm512_fnmadd_ps(_mm512_mul_ps(w[s].d_min, scale), _mm512_cvtepi32_ps(offset[n][s]),
                                lane);
      } else {
        const auto exact = _mm512_sub_epi32(
            total[n][s], _mm512_slli_epi32(offset[n][s], block_traits<E>.offset_shift()));
        lane = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(exact), lane);
      }
    }
  }
}

template <encoding E, int Tiles, int Prefetch>
static void step256(const transposed256<E>* w, const block_inputs& x, __m512 (*acc)[step_tiles],
                    std::size_t inputs, std::uintptr_t next) {
  switch (inputs) {
  case 1: return block_step256<E, Tiles, 1, Prefetch>(w, x, acc, next);
  case 2: return block_step256<E, Tiles, 2, Prefetch>(w, x, acc, next);
  case 3: return block_step256<E, Tiles, 3, Prefetch>(w, x, acc, next);
  default: return block_step256<E, Tiles, 4, Prefetch>(w, x, acc, next);
  }
}

template <encoding E, int Tiles>
static void tile_256(const std::uint8_t* base, std::size_t stride, const activation_view& x,
                     std::size_t input, std::size_t inputs, float* out, std::size_t out_stride) {
  const std::size_t blocks = x.cols / 256;
  __m512 acc[4][tile256_inputs][step_tiles];
  for (auto& lane : acc)
    for (std::size_t n = 0; n < inputs; ++n)
      for (auto& tile : lane[n])
        tile = _mm512_setzero_ps();
  for (std::size_t b = 0; b < blocks; ++b) {
    transposed256<E> w[Tiles];
    const auto* at = base + b * block_traits<E>.bytes;
    for (std::size_t s = 0; s < Tiles; ++s)
      transpose_block256<E>(at + s * lane_rows * stride, stride, w[s]);
    // Of the rows behind these, as many bytes as this block has here, in the order of memory.
    auto next = address(base, Tiles * lane_rows * (stride + b * block_traits<E>.bytes));
    for (std::size_t n = 0; n < inputs; n += step_inputs) {
      const auto in = inputs_at<256, 16>(x, input + n, b);
      auto* sums = acc[b % 4] + n;
      const auto count = std::min(inputs - n, step_inputs);
      constexpr int rows = Tiles * static_cast<int>(lane_rows);
      if (inputs <= step_inputs) {
        step256<E, Tiles, rows>(w, in, sums, count, next);
      } else if (n <= step_inputs) { // the first two steps share the prefetching
        step256<E, Tiles, rows / 2>(w, in, sums, count, next);
        next += rows / 2 * block_traits<E>.bytes;
      } else {
        step256<E, Tiles, 0>(w, in, sums, count, next);
      }
    }
  }
  for (std::size_t n = 0; n < inputs; ++n)
    for (std::size_t s = 0; s < Tiles; ++s)
      _mm512_storeu_ps(out + n * out_stride + s * lane_rows,
                       _mm512_add_ps(_mm512_add_ps(acc[0][n][s], acc[2][n][s]),
                                     _mm512_add_ps(acc[1][n][s], acc[3][n][s])));
}

} // namespace larql::kernels::avx512
