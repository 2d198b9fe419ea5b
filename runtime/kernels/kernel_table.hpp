// Builds a kernel_set from one lane type: the row operations come from the shared templates, the
// matrix products from the instruction set's own file.

#pragma once

#include "runtime/kernels/attention_ops.hpp"
#include "runtime/kernels/kernel_set.hpp"
#include "runtime/kernels/quantize_ops.hpp"
#include "runtime/kernels/row_ops.hpp"

namespace larql::kernels {

extern const kernel_set kernels_ref;
#if defined(__x86_64__)
extern const kernel_set kernels_avx2;
extern const kernel_set kernels_avx512;
#endif
// Other instruction sets stand beside these: docs/extending.md, "An instruction set".

template <class L>
constexpr kernel_set
make_table(simd_level level,
           const std::array<kernel_set::matmul_fn, quant::encoding_count>& matmul) {
  using rows = ops_rows<L>;
  using quantize = ops_quantize<L>;
  using attention = ops_attention<L>;
  return {
      .level = level,
      .matmul = matmul,
      .quantize_q8_32 = quantize::template row<32, 32>,
      .quantize_q8_256 = quantize::template row<256, 16>,
      .rms_norm = rows::rms_norm,
      .add = rows::add,
      .scale = rows::scale,
      .multiply = rows::multiply,
      .gelu_mul = rows::gelu_mul,
      .all_finite = rows::all_finite,
      .softcap = rows::softcap,
      .maximum = rows::maximum,
      .softmax = rows::softmax,
      .softmax_terms = rows::softmax_terms,
      .rope = rows::rope,
      .accumulate_fixed = rows::accumulate_fixed,
      .fixed_to_float = rows::fixed_to_float,
      .attention_scores_f16 = attention::template scores<std::uint16_t>,
      .attention_scores_f32 = attention::template scores<float>,
      .attention_mix_f16 = attention::template mix<std::uint16_t>,
      .attention_mix_f32 = attention::template mix<float>,
      .store_f16 = attention::store_f16,
  };
}

} // namespace larql::kernels
