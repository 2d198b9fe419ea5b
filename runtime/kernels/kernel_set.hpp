// Every function that has one version per instruction set, as a table of pointers.
//
// ref/ is the normative version in plain C++; the folders of instruction sets return the same bits
// (docs/numerics.md; tests/runtime/kernels compare them).
//
// Threads   All entries are pure functions over caller-owned memory; none allocates.
// Errors    None at run time; sizes that disagree are bugs of the caller.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/kernels/activations.hpp"
#include "runtime/quant/activation_function.hpp"
#include "runtime/quant/encoding.hpp"

#include <array>
#include <string_view>
#include <vector>

namespace larql::kernels {

/// In no order: what a processor has is asked for, never compared.
enum class simd_level : std::uint8_t { scalar, avx2, avxvnni, avx512, neon, i8mm };

/// One version of every kernel.
struct kernel_set {
  simd_level level;

  /// out[(a - input_begin) * out_stride + r - row_begin] = w.row(r) · x.row(a) for rows
  /// [row_begin, row_end) and inputs [input_begin, input_end): `out` begins with the first product.
  using matmul_fn = void (*)(const quant::matrix_view& w, std::size_t row_begin,
                             std::size_t row_end, const activation_view& x, std::size_t input_begin,
                             std::size_t input_end, float* out, std::size_t out_stride) noexcept;
  std::array<matmul_fn, quant::encoding_count> matmul;

  // Row operations: see row_ops.hpp and quantize_ops.hpp for each definition.
  using quantize_fn = void (*)(const float* x, std::size_t n, std::int8_t* q, float* scale,
                               std::int16_t* sums);
  quantize_fn quantize_q8_32;
  quantize_fn quantize_q8_256;
  float (*rms_norm)(const float* x, const float* weight, std::size_t n, float eps, float* out);
  void (*add)(float* x, const float* y, std::size_t n);
  void (*scale)(float* x, float factor, std::size_t n);
  void (*multiply)(const float* x, const float* y, std::size_t n, float* out);
  /// By activation function.
  using gated_mul_fn = bool (*)(const float* gate, const float* up, std::size_t n, float* out);
  std::array<gated_mul_fn, quant::activation_function_count> gated_mul;
  bool (*all_finite)(const float* x, std::size_t n);
  void (*softcap)(float* x, float cap, std::size_t n);
  float (*maximum)(const float* x, std::size_t n);
  void (*softmax)(float* x, std::size_t n);
  void (*softmax_terms)(const float* x, std::size_t n, float top, float temperature, float* scaled,
                        float* weight);
  void (*rope)(float* x, const float* cos, const float* sin, std::size_t half, std::size_t pairs);
  bool (*accumulate_fixed)(std::int64_t* sum, const float* y, float weight, std::size_t n);
  void (*fixed_to_float)(const std::int64_t* sum, std::size_t n, float* out);

  // Attention over one contiguous run of cached positions: see attention_ops.hpp.
  using scores_fn = void (*)(const float* q, std::size_t heads, std::size_t dim, const void* keys,
                             std::size_t count, float* scores, std::size_t score_stride);
  using mix_fn = void (*)(const float* p, std::size_t score_stride, std::size_t heads,
                          std::size_t dim, const void* values, std::size_t count, float* out);
  scores_fn attention_scores_f16;
  scores_fn attention_scores_f32;
  mix_fn attention_mix_f16;
  mix_fn attention_mix_f32;
  void (*store_f16)(const float* x, std::size_t n, std::uint16_t* out);
};

/// Those that this CPU and this build support: the reference first, the best one last.
[[nodiscard]] std::vector<simd_level> simd_levels();
[[nodiscard]] simd_level best_simd_level() noexcept;

/// The table of a level. Fails with `unsupported` where the CPU or the build lacks it.
[[nodiscard]] result<const kernel_set*> kernels_for(simd_level level);

/// What main() calls: the level named by `wanted`, or the best one if it is empty (the value of the
/// environment variable LARQL_SIMD). Names are those of name_of, of every architecture.
[[nodiscard]] result<const kernel_set*> kernels_by_name(std::string_view wanted);

[[nodiscard]] std::string_view name_of(simd_level level) noexcept;

} // namespace larql::kernels
