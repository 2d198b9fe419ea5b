// The drafter's forward pass: from the token that came last and the model's final hidden row behind
// it, what may come next, and from each guess the guess behind it.
//
// A few dense layers without keys and values of their own: queries look at those of the model, of
// its last sliding layer or its last full one. All guesses behind a text are made at one position,
// that of the token that came last, and nothing is written. Its result is a guess; no answer
// depends on it.
//
// Shapes    Hidden rows: [the model's hidden]; logits: [vocab], without soft cap.
// Numerics  docs/numerics.md, "The drafter". The same bits on every instruction set and number of
//           threads.
// Owner     Borrows model and weights. A text's cache must not be written between begin() and the
//           last step().
// Threads   One caller; the work inside spreads over the compute pool.

#pragma once

#include "runtime/kernels/linear.hpp"
#include "runtime/models/gemma4/dense_mlp.hpp"
#include "runtime/models/gemma4/kv_cache.hpp"
#include "runtime/models/gemma4/model.hpp"
#include "runtime/models/gemma4/rope.hpp"
#include "runtime/vindex/drafter.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace larql::gemma4 {

class mtp_network {
public:
  mtp_network(const model& target, const vindex::drafter_config& config,
              const vindex::drafter_weights& weights, kernels::compute compute);

  /// Begins behind a text of `position` + 1 tokens. `cache` holds all but the last of them, and
  /// `hidden_row` is the final hidden row of the last one that it holds.
  /// @pre position is not 0; cache.has_window(position)
  void begin(const kv_cache& cache, std::uint32_t position, std::span<const float> hidden_row);

  /// Logits of what follows `token`: the last of the text, then the guess that was taken of the
  /// logits before. Valid until the next call. Nothing if a number is not finite.
  /// @pre token is below the vocabulary's size
  [[nodiscard]] std::optional<std::span<const float>> step(std::uint32_t token);

private:
  void project_inputs(std::uint32_t token);
  [[nodiscard]] bool run_layer(std::uint32_t l);
  void attend(std::uint32_t l);
  void multiply(const float* in, std::uint32_t cols, const quant::matrix_view& w, float* out);
  void add_normed(std::span<const float> weight);

  /// What of the model's cache a kind of layer sees.
  struct view {
    std::uint32_t kv_heads = 0;
    std::size_t dim = 0;
    rope_table rope;
    std::vector<kv_run> runs;
  };
  [[nodiscard]] view& view_of(std::uint32_t l) { return config_.sliding[l] ? sliding_ : full_; }

  const model& target_;
  const vindex::drafter_config& config_;
  const vindex::drafter_weights& weights_;
  kernels::compute compute_;
  dense_mlp dense_;
  kv_format format_ = kv_format::f16;
  view sliding_, full_;

  kernels::quantized_inputs input_;
  std::vector<float> embedding_;           // stored width, which may be padded
  std::vector<float> joined_;              // [2][the model's hidden]: embedding, then hidden row
  std::vector<float> x_, normed_, branch_; // [hidden]
  std::vector<float> q_, mixed_;           // [q heads * head size]
  std::vector<float> scores_;              // per worker: [heads][keys]
  std::vector<float> logits_;
};

} // namespace larql::gemma4
