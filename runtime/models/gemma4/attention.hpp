// The attention block of one layer, for a pass over rows of one or of several sequences.
//
// Shapes    in, out: [rows][hidden].
// Numerics  Scores have scale 1 and no soft-cap; softmax and mix per docs/numerics.md. Keys are
//           taken in the order of their positions, wherever they lie, so a row's result depends on
//           neither the chunk it came in nor the layout of the cache.
// Source    docs/numerics.md.

#pragma once

#include "runtime/kernels/linear.hpp"
#include "runtime/models/gemma4/attend_heads.hpp"
#include "runtime/models/gemma4/pass_rows.hpp"
#include "runtime/models/gemma4/rope.hpp"
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
                         const rope_table& rope, const pass_rows& rows, const float* in,
                         float* out);

private:
  /// Rows of one task, which share what is read of the cache.
  struct row_block {
    std::size_t first = 0;
    std::size_t count = 0;
  };

  void project(std::uint32_t layer, const vindex::layer_tensors& t, std::uint32_t rows,
               const float* in);
  [[nodiscard]] bool normalise_and_store(std::uint32_t layer, const vindex::layer_tensors& t,
                                         const rope_table& rope, const pass_rows& rows);
  void divide(std::uint32_t layer, const pass_rows& pass, std::size_t most);
  void attend(std::uint32_t layer, const pass_rows& rows);
  [[nodiscard]] std::uint32_t visible(std::uint32_t layer, std::uint32_t position) const;

  kernels::compute compute_;
  const vindex::model_config& config_;
  kernels::quantized_inputs input_;
  kernels::quantized_inputs mixed_input_;
  std::vector<float> q_, k_, v_; // [rows][heads * head_dim]
  std::vector<float> mixed_;     // [rows][q_heads * head_dim]
  std::vector<row_block> blocks_;
  std::vector<key_range> visible_;        // to each row
  std::vector<float> scratch_;            // per worker
  std::vector<std::vector<kv_run>> runs_; // per worker: what a block sees
};

} // namespace larql::gemma4
