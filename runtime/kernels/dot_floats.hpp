// Products of one row of plain float weights with 1 to 8 inputs. Written once for all instruction
// sets over L, the lanes of simd16.hpp.

#pragma once

#include "runtime/kernels/activations.hpp"
#include "runtime/quant/encoding.hpp"

#include <cstring>

namespace larql::kernels {

/// Sixteen weights at `p` as floats.
template <class L, quant::encoding E>
static inline typename L::f32x16 load_weights(const std::uint8_t* p) {
  constexpr auto& facts = quant::block_traits<E>;
  if constexpr (facts.codes == quant::code_layout::plain_f32)
    return L::load(reinterpret_cast<const float*>(p));
  else if constexpr (facts.codes == quant::code_layout::plain_f16)
    return L::load_f16(reinterpret_cast<const std::uint16_t*>(p));
  else
    return L::load_bf16(reinterpret_cast<const std::uint16_t*>(p));
}

/// out[n * out_stride] = row · input `input + n`, for Inputs inputs.
template <class L, quant::encoding E, int Inputs>
static void dot_floats(const std::uint8_t* row, const activation_view& x, std::size_t input,
                       float* out, std::size_t out_stride) {
  constexpr std::size_t bytes = quant::block_traits<E>.bytes;
  typename L::f32x16 acc[Inputs];
  for (auto& lanes : acc)
    lanes = L::zero();
  const auto* a = x.f32 + input * x.cols;
  const std::size_t whole = x.cols / 16 * 16;
  for (std::size_t i = 0; i < whole; i += 16) {
    const auto w = load_weights<L, E>(row + i * bytes);
    for (int n = 0; n < Inputs; ++n)
      acc[n] = L::fma(w, L::load(a + n * x.cols + i), acc[n]);
  }
  if (const auto rest = x.cols - whole; rest != 0) {
    alignas(32) std::uint8_t padded_row[64] = {};
    std::memcpy(padded_row, row + whole * bytes, rest * bytes);
    const auto w = load_weights<L, E>(padded_row);
    for (int n = 0; n < Inputs; ++n) {
      alignas(32) float padded[16] = {};
      std::memcpy(padded, a + n * x.cols + whole, rest * sizeof(float));
      acc[n] = L::fma(w, L::load(padded), acc[n]);
    }
  }
  for (int n = 0; n < Inputs; ++n)
    out[n * out_stride] = L::reduce_add(acc[n]);
}

} // namespace larql::kernels
