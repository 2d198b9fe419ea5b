// Products of a few rows of plain float weights with a few inputs, so that each load serves several
// products. Written once for all instruction sets over L, the lanes of simd16.hpp.

#pragma once

#include "runtime/kernels/dot_floats.hpp"
#include "runtime/kernels/tile_transpose.hpp"

#include <cstring>

namespace larql::kernels {

/// out[n * out_stride + r] = row r · input `input + n`, for Rows rows and Inputs inputs.
template <class L, quant::encoding E, int Rows, int Inputs>
static void tile_floats(const std::uint8_t* base, std::size_t stride, const activation_view& x,
                        std::size_t input, float* out, std::size_t out_stride) {
  constexpr std::size_t bytes = quant::block_traits<E>.bytes;
  typename L::f32x16 acc[Rows][Inputs];
  for (auto& row : acc)
    for (auto& lanes : row)
      lanes = L::zero();
  // Sixteen columns of the rows at `p` and the inputs at `a`.
  const auto step = [&](const std::uint8_t* p, std::size_t row_step, const float* a,
                        std::size_t input_step) {
    typename L::f32x16 in[Inputs];
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n)
      in[n] = L::load(a + n * input_step);
    LARQL_UNROLL
    for (int r = 0; r < Rows; ++r) {
      const auto w = load_weights<L, E>(p + r * row_step);
      LARQL_UNROLL
      for (int n = 0; n < Inputs; ++n)
        acc[r][n] = L::fma(w, in[n], acc[r][n]);
    }
  };
  const auto* a = x.f32 + input * x.cols;
  const std::size_t whole = x.cols / 16 * 16;
  for (std::size_t i = 0; i < whole; i += 16)
    step(base + i * bytes, stride, a + i, x.cols);
  if (const auto rest = x.cols - whole; rest != 0) { // padded with zeros
    alignas(64) std::uint8_t rows[Rows][64] = {};
    alignas(64) float inputs[Inputs][16] = {};
    for (std::size_t r = 0; r < Rows; ++r)
      std::memcpy(rows[r], base + r * stride + whole * bytes, rest * bytes);
    for (std::size_t n = 0; n < Inputs; ++n)
      std::memcpy(inputs[n], a + n * x.cols + whole, rest * sizeof(float));
    step(rows[0], 64, inputs[0], 16);
  }
  LARQL_UNROLL
  for (int r = 0; r < Rows; ++r) {
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n)
      out[n * out_stride + r] = L::reduce_add(acc[r][n]);
  }
}

} // namespace larql::kernels
