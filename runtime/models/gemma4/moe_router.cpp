#include "runtime/models/gemma4/moe_router.hpp"

#include <cmath>

namespace larql::gemma4 {

moe_router::moe_router(kernels::compute compute, const vindex::model_config& config)
    : compute_(compute),
      config_(config),
      input_scale_(static_cast<float>(1.0 / std::sqrt(static_cast<double>(config.hidden)))) {}

bool moe_router::run(const vindex::layer_tensors& t, std::uint32_t rows, const float* in) {
  const auto hidden = std::size_t{config_.hidden};
  const auto experts = std::size_t{config_.experts};
  const auto& k = compute_.k;
  scaled_.resize(rows * hidden);
  logits_.resize(rows * experts);
  ids_.resize(std::size_t{rows} * config_.top_k);
  weights_.resize(std::size_t{rows} * config_.top_k);
  compute_.pool.parallel_for(rows, 4, [&](std::size_t begin, std::size_t end, unsigned) {
    for (auto r = begin; r < end; ++r) {
      auto* x = scaled_.data() + r * hidden;
      k.rms_norm(in + r * hidden, nullptr, hidden, config_.rms_eps, x);
      k.multiply(x, t.router_scale.data(), hidden, x);
      k.scale(x, input_scale_, hidden);
    }
  });
  input_.bind(scaled_.data(), rows, config_.hidden, hidden);
  const auto logits = kernels::linear_job{t.router, logits_.data(), experts};
  kernels::matmul(compute_, input_, {&logits, 1});
  if (!k.all_finite(logits_.data(), logits_.size()))
    return false;
  for (auto r = std::size_t{0}; r < rows; ++r) {
    k.softmax(logits_.data() + r * experts, experts);
    choose(t.per_expert_scale, r);
  }
  return true;
}

// Repeated maximum: top_k is small, and ties go to the lowest index by construction.
void moe_router::choose(std::span<const float> per_expert_scale, std::size_t row) {
  auto* p = logits_.data() + row * config_.experts;
  auto* ids = ids_.data() + row * config_.top_k;
  auto* weights = weights_.data() + row * config_.top_k;
  auto sum = 0.0f;
  for (auto n = 0u; n < config_.top_k; ++n) {
    auto best = 0u;
    for (auto e = 1u; e < config_.experts; ++e)
      if (p[e] > p[best])
        best = e;
    ids[n] = static_cast<std::uint16_t>(best);
    weights[n] = p[best];
    sum += p[best];
    p[best] = -1; // below every probability: not chosen again
  }
  for (auto n = 0u; n < config_.top_k; ++n)
    weights[n] = weights[n] / sum * per_expert_scale[ids[n]];
}

} // namespace larql::gemma4
