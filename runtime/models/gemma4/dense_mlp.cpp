#include "runtime/models/gemma4/dense_mlp.hpp"

#include <algorithm>
#include <atomic>

namespace larql::gemma4 {

bool dense_mlp::run(const vindex::layer_tensors& t, std::uint32_t rows, const float* in,
                    float* out) {
  const auto width = std::size_t{t.gate.rows};
  const auto hidden = t.down.rows;
  input_.bind(in, rows, hidden, hidden);
  input_.quantize(compute_, t.gate);
  input_.quantize(compute_, t.up);
  hidden_.resize(rows * width);
  // As in expert_compute.cpp: long tasks stream, short ones keep many outputs in the cache.
  const auto grain = rows <= 16 ? std::size_t{128} : std::size_t{32};
  const auto scratch = kernels::gated_scratch(grain, rows);
  scratch_.resize(scratch * compute_.pool.threads());
  const auto x_gate = input_.view(t.gate);
  const auto x_up = input_.view(t.up);
  auto finite = std::atomic<bool>{true};
  compute_.pool.parallel_for(
      width, grain, [&](std::size_t begin, std::size_t end, unsigned worker) {
        if (!kernels::gated_rows(compute_.k, activation_, t.gate, t.up, x_gate, x_up, begin, end,
                                 hidden_.data(), width, scratch_.data() + worker * scratch))
          finite.store(false, std::memory_order_relaxed);
      });
  hidden_input_.bind(hidden_.data(), rows, static_cast<std::uint32_t>(width), width);
  const auto down = kernels::linear_job{t.down, out, hidden};
  kernels::matmul(compute_, hidden_input_, {&down, 1});
  return finite.load();
}

} // namespace larql::gemma4
