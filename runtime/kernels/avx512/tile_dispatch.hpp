// Products of several weight rows, a tile, with several inputs, AVX-512. Included by
// matmul_*.cpp only.

#pragma once

#include "runtime/kernels/avx512/dot_block256.hpp"
#include "runtime/kernels/avx512/simd16.hpp"
#include "runtime/kernels/avx512/tile_block256.hpp"
#include "runtime/kernels/avx512/tile_block32.hpp"

namespace larql::kernels::avx512 {

/// Rows of one tile: a lane each, or four for plain floats.
template <encoding E>
inline constexpr std::size_t tile_rows = block_traits<E>.weights == 1 ? 4 : lane_rows;
/// Rows that are multiplied together if there are so many.
template <encoding E>
inline constexpr std::size_t
    most_tile_rows = (block_traits<E>.weights == 1 ? 1 : step_tiles) * tile_rows<E>;
/// Most inputs of one call.
template <encoding E>
inline constexpr std::size_t tile_inputs = block_traits<E>.weights == 1    ? 4
                                           : block_traits<E>.weights == 32 ? tile32_inputs
                                                                           : tile256_inputs;

// Four rows and up to four inputs in registers, so that each load serves several products.
template <encoding E, int Inputs>
static void tile_float(const std::uint8_t* base, std::size_t stride, const activation_view& x,
                       std::size_t input, float* out, std::size_t out_stride) {
  constexpr int rows = static_cast<int>(tile_rows<E>);
  __m512 acc[rows][Inputs] = {};
  const auto* a = x.f32 + input * x.cols;
  const auto step = [&](std::size_t i, __mmask16 mask) {
    __m512 in[Inputs];
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n)
      in[n] = _mm512_maskz_loadu_ps(mask, a + n * x.cols + i);
    LARQL_UNROLL
    for (int r = 0; r < rows; ++r) {
      const auto w = load_weights<E>(base + r * stride, i, mask);
      LARQL_UNROLL
      for (int n = 0; n < Inputs; ++n)
        acc[r][n] = _mm512_fmadd_ps(w, in[n], acc[r][n]);
    }
  };
  const std::size_t whole = x.cols / 16 * 16;
  for (std::size_t i = 0; i < whole; i += 16)
    step(i, 0xffff);
  if (whole < x.cols)
    step(whole, static_cast<__mmask16>((1u << (x.cols - whole)) - 1));
  LARQL_UNROLL
  for (int r = 0; r < rows; ++r) {
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n)
      out[n * out_stride + r] = simd16_avx512::reduce_add({acc[r][n]});
  }
}

/// `rows` rows, tile_rows or most_tile_rows, starting at `base` times `inputs` (at most
/// tile_inputs) inputs.
template <encoding E>
static inline void tile(const std::uint8_t* base, std::size_t stride, std::size_t rows,
                        const activation_view& x, std::size_t input, std::size_t inputs, float* out,
                        std::size_t out_stride) {
  if constexpr (block_traits<E>.weights == 32) {
    if (rows == most_tile_rows<E>)
      tile_32<E, 2>(base, stride, x, input, inputs, out, out_stride);
    else
      tile_32<E, 1>(base, stride, x, input, inputs, out, out_stride);
  } else if constexpr (block_traits<E>.weights == 256) {
    if (rows == most_tile_rows<E>)
      tile_256<E, 2>(base, stride, x, input, inputs, out, out_stride);
    else
      tile_256<E, 1>(base, stride, x, input, inputs, out, out_stride);
  } else {
    switch (inputs) {
    case 4: return tile_float<E, 4>(base, stride, x, input, out, out_stride);
    case 3: return tile_float<E, 3>(base, stride, x, input, out, out_stride);
    case 2: return tile_float<E, 2>(base, stride, x, input, out, out_stride);
    default: return tile_float<E, 1>(base, stride, x, input, out, out_stride);
    }
  }
}

} // namespace larql::kernels::avx512
