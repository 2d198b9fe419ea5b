// Builds a kernel_set from one lane type: the row operations come from the shared templates, the
// matrix products from the instruction set's own file.

#pragma once

#include "runtime/kernels/attention_ops.hpp"
#include "runtime/kernels/kernel_set.hpp"
#include "runtime/kernels/quantize_ops.hpp"
#include "runtime/kernels/row_ops.hpp"

#include <utility>

namespace larql::kernels {

extern const kernel_set kernels_ref;
#if defined(__x86_64__)
extern const kernel_set kernels_avx2;
extern const kernel_set kernels_avxvnni;
extern const kernel_set kernels_avx512;
#endif
#if defined(__aarch64__)
extern const kernel_set kernels_neon;
extern const kernel_set kernels_i8mm;
#endif

/// The products of all encodings, in the order of the enum. Products provides `matmul<E>()`, the
/// function for one of them: an encoding that it leaves out does not compile.
template <class Products>
consteval auto matmul_table() {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<kernel_set::matmul_fn, quant::encoding_count>{
        Products::template matmul<static_cast<quant::encoding>(I)>()...};
  }
  (std::make_index_sequence<quant::encoding_count>{});
}

/// The product of an encoding for which an instruction set has no version of its own: that of Next,
/// the instruction set that this one includes.
template <const kernel_set& Next, quant::encoding E>
static void matmul_of(const quant::matrix_view& w, std::size_t row_begin, std::size_t row_end,
                      const activation_view& x, std::size_t input_begin, std::size_t input_end,
                      float* out, std::size_t out_stride) noexcept {
  Next.matmul[static_cast<std::size_t>(E)](w, row_begin, row_end, x, input_begin, input_end, out,
                                           out_stride);
}

/// The gated products of all activation functions, in the order of their enum.
template <class L>
consteval auto gated_mul_table() {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<kernel_set::gated_mul_fn, quant::activation_function_count>{
        row_ops<L>::template gated_mul<static_cast<quant::activation_function>(I)>...};
  }
  (std::make_index_sequence<quant::activation_function_count>{});
}

template <class L>
constexpr kernel_set
make_table(simd_level level,
           const std::array<kernel_set::matmul_fn, quant::encoding_count>& matmul) {
  using rows = row_ops<L>;
  using quantize = quantize_ops<L>;
  using attention = attention_ops<L>;
  return {
      .level = level,
      .matmul = matmul,
      .quantize_q8_32 = quantize::template row<32, 32>,
      .quantize_q8_256 = quantize::template row<256, 16>,
      .rms_norm = rows::rms_norm,
      .add = rows::add,
      .scale = rows::scale,
      .multiply = rows::multiply,
      .gated_mul = gated_mul_table<L>(),
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
