// The seam between the forward pass and wherever experts are computed: on this machine
// (local_experts.hpp) or on other machines (actors/laptop/remote_experts.hpp).
//
// Shapes    A batch is `rows` rows of one layer; every row names `top_k` experts with weights.
// Numerics  The answer for a row is the fixed-point sum (docs/numerics.md, "Sum over experts") of
//           weight * expert(x). It depends on neither the order nor the place of computation.
// Threads   One caller; start and wait alternate.
// Errors    A failed start or wait leaves the port ready for the next start.

#pragma once

#include "runtime/base/result.hpp"

#include <cstdint>
#include <span>

namespace larql::experts {

/// One layer's work. Spans stay valid until wait() returns.
struct expert_batch {
  std::uint32_t layer = 0;
  std::uint32_t rows = 0;
  std::uint32_t hidden = 0;
  std::uint32_t top_k = 0;
  std::span<const float> x;           ///< [rows][hidden], after pre_feedforward_layernorm_2
  std::span<const std::uint16_t> ids; ///< [rows][top_k], distinct within a row
  std::span<const float> weights;     ///< [rows][top_k], per_expert_scale included
};

class expert_port {
public:
  virtual ~expert_port() = default;

  /// Hands over a batch. Does not block on the network; the caller computes something else next.
  [[nodiscard]] virtual result<void> start(const expert_batch& batch) = 0;

  /// Waits for the batch of the last start and writes [rows][hidden] sums.
  [[nodiscard]] virtual result<void> wait(std::span<float> out) = 0;
};

} // namespace larql::experts
