// The attention block of one layer, for a pass over rows of one or of several sequences.
//
// Shapes    in, out: [rows][hidden]. rows[i] says which position of which sequence row i is; the
//           rows of one sequence ascend.
// Numerics  Scores have scale 1 and no soft-cap; softmax and mix per docs/numerics.md, "Attention".
//           A row's result does not depend on which chunk it came in.
// Source    docs/numerics.md.

#pragma once

#include "runtime/kernels/linear.hpp"
#include "runtime/models/gemma4/kv_cache.hpp"
#include "runtime/models/gemma4/rope.hpp"
#include "runtime/models/gemma4/sequence_part.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/vindex.hpp"

#include <span>
#include <vector>

namespace larql::gemma4 {

class attention {
public:
  attention(kernels::compute compute, const vindex::model_config& config)
      : compute_(compute), config_(config) {}

  /// out = o_proj(attend(norm'ed input)); writes the rows' keys and values into the cache.
  /// `in` has been through input_layernorm. `rope` holds the rows' positions. False if a query, key
  /// or value is not finite, which the softmax would hide.
  [[nodiscard]] bool run(std::uint32_t layer, const vindex::layer_tensors& t,
                         const rope_table& rope, std::span<const row_position> rows,
                         const float* in, float* out);

private:
  void project(std::uint32_t layer, const vindex::layer_tensors& t, std::uint32_t rows,
               const float* in);
  [[nodiscard]] bool normalise_and_store(std::uint32_t layer, const vindex::layer_tensors& t,
                                         const rope_table& rope,
                                         std::span<const row_position> rows);
  void attend(std::uint32_t layer, std::span<const row_position> rows);
  void attend_heads(std::uint32_t layer, const row_position& row, std::uint32_t kv_head,
                    const float* q, std::uint32_t heads, float* scores, float* out);
  [[nodiscard]] std::uint32_t visible(std::uint32_t layer, std::uint32_t position) const;

  kernels::compute compute_;
  const vindex::model_config& config_;
  kernels::quantized_inputs input_;
  kernels::quantized_inputs mixed_input_;
  std::vector<float> q_, k_, v_; // [rows][heads * head_dim]
  std::vector<float> mixed_;     // [rows][q_heads * head_dim]
  std::vector<float> scores_;    // per worker: [heads][keys]
};

} // namespace larql::gemma4
