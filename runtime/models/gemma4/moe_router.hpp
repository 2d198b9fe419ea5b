// Which experts a row goes to, and with which weights.
//
// Shapes    in: [rows][hidden], the residual after attention as it is (not through any weighted
//           norm); ids, weights: [rows][top_k], by falling probability.
// Numerics  softmax over all experts, then the top_k largest (lowest index first on ties),
//           renormalised to sum 1, times per_expert_scale.
// Source    docs/numerics.md, "The model".

#pragma once

#include "runtime/kernels/linear.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/vindex.hpp"

#include <span>
#include <vector>

namespace larql::gemma4 {

class moe_router {
public:
  moe_router(kernels::compute compute, const vindex::model_config& config);

  /// False if a logit is not finite; there is then no choice.
  [[nodiscard]] bool run(const vindex::layer_tensors& t, std::uint32_t rows, const float* in);

  [[nodiscard]] std::span<const std::uint16_t> ids() const noexcept { return ids_; }
  [[nodiscard]] std::span<const float> weights() const noexcept { return weights_; }

private:
  void choose(std::span<const float> per_expert_scale, std::size_t row);

  kernels::compute compute_;
  const vindex::model_config& config_;
  float input_scale_; // hidden^(-1/2)
  kernels::quantized_inputs input_;
  std::vector<float> scaled_; // [rows][hidden]
  std::vector<float> logits_; // [rows][experts], probabilities after softmax
  std::vector<std::uint16_t> ids_;
  std::vector<float> weights_;
};

} // namespace larql::gemma4
