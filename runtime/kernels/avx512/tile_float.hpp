// What the kernels for tiles of rows share: tile_block256.hpp, tile_block32.hpp. Included by
// the AVX-512 kernels only.

#pragma once

#include "runtime/kernels/avx512/decode.hpp"
#include "runtime/kernels/block_inputs.hpp"

namespace larql::kernels::avx512 {

/// Tiles and inputs of one step: with more, the sums would not fit the registers.
inline constexpr std::size_t step_tiles = 2, step_inputs = 4;

static inline __m512i broadcast_dword(const void* p) {
  std::int32_t x;
  std::memcpy(&x, p, 4);
  return _mm512_set1_epi32(x);
}

/// Block `block`, of Weights codes and Sums sums, of inputs from `input` on.
template <std::size_t Weights, std::size_t Sums>
static inline block_inputs inputs_at(const activation_view& x, std::size_t input,
                                     std::size_t block) {
  return {x.q + input * x.cols + block * Weights,       x.cols,
          x.sums + input * x.sum_stride + block * Sums, x.sum_stride,
          x.scale + input * x.scale_stride + block,     x.scale_stride};
}

} // namespace larql::kernels::avx512
