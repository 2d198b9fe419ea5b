// The dense feed-forward branch of a layer: down(act(gate · x) * (up · x)).
//
// Shapes    in, out: [rows][hidden]; `in` has been through pre_feedforward_layernorm.

#pragma once

#include "runtime/kernels/linear.hpp"
#include "runtime/vindex/vindex.hpp"

#include <vector>

namespace larql::gemma4 {

class dense_mlp {
public:
  dense_mlp(kernels::compute compute, quant::activation_function activation)
      : compute_(compute), activation_(activation) {}

  /// False if a product of gate or up is not finite, which the activation would hide.
  [[nodiscard]] bool run(const vindex::layer_tensors& t, std::uint32_t rows, const float* in,
                         float* out);

private:
  kernels::compute compute_;
  quant::activation_function activation_;
  kernels::quantized_inputs input_;
  kernels::quantized_inputs hidden_input_;
  std::vector<float> hidden_;  // [rows][dense width]
  std::vector<float> scratch_; // per worker
};

} // namespace larql::gemma4
