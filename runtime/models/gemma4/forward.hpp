// The forward pass: a chunk of tokens of one sequence through all layers, or of several sequences
// at once.
//
// Shapes    hidden rows: [rows][hidden]; logits: [rows][vocab].
// Numerics  docs/numerics.md. Logits depend on the tokens and the weights only: not on the
//           chunking, the other sequences of a pass, the number of threads, the instruction set, or
//           where experts are computed.
// Threads   One caller; the work inside spreads over the compute pool.
// Errors    Experts that cannot be reached, or numbers that stop being finite, end the chunk. In
//           the second case all dense matrices are searched, and the error names the one at fault.
//           The sequence is then as before: positions written by a failed chunk are overwritten by
//           the next one.

#pragma once

#include "runtime/experts/expert_port.hpp"
#include "runtime/models/gemma4/attention.hpp"
#include "runtime/models/gemma4/dense_mlp.hpp"
#include "runtime/models/gemma4/kv_cache.hpp"
#include "runtime/models/gemma4/model.hpp"
#include "runtime/models/gemma4/moe_router.hpp"
#include "runtime/models/gemma4/phase_times.hpp"
#include "runtime/models/gemma4/rope.hpp"
#include "runtime/models/gemma4/sequence_part.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace larql::gemma4 {

class forward {
public:
  forward(const model& model, kernels::compute compute, experts::expert_port& experts);

  /// Runs tokens at positions first, first + 1, ... and keeps their final hidden rows.
  /// `cancelled` is asked once per layer; true ends the chunk with errc::cancelled.
  /// @pre every token is below the vocabulary size; tokens.size() <= cache.max_chunk() and
  ///      first + tokens.size() <= cache.max_context()
  [[nodiscard]] result<void> run(std::span<const std::uint32_t> tokens, std::uint32_t first,
                                 kv_cache& cache, const std::function<bool()>& cancelled = {});

  /// The same for parts of several sequences, whose rows follow each other. @pre not empty; no two
  /// parts are of the same sequence
  [[nodiscard]] result<void> run(std::span<const sequence_part> parts,
                                 const std::function<bool()>& cancelled = {});

  /// Logits of rows [begin, end) of the last run, soft cap applied. @pre the run succeeded
  [[nodiscard]] result<std::span<const float>> logits(std::uint32_t begin, std::uint32_t end);

  /// Final hidden row of the last run, for logits_of() at any later time. @pre the run succeeded
  [[nodiscard]] std::span<const float> hidden_row(std::uint32_t row) const;
  /// Logits of [n][hidden] final hidden rows.
  [[nodiscard]] result<std::span<const float>> logits_of(std::span<const float> hidden_rows);

  /// Called after each layer of a run with its index and the residual stream [rows][hidden]; for
  /// tests that look for the first layer that departs.
  std::function<void(std::uint32_t, std::span<const float>)> on_layer;

  [[nodiscard]] const moe_router& router() const noexcept { return router_; }

  /// Time spent in all calls so far.
  [[nodiscard]] const phase_times& times() const noexcept { return times_; }

private:
  void embed(std::span<const sequence_part> parts);
  [[nodiscard]] result<void> layer(std::uint32_t l);
  [[nodiscard]] result<void> check_finite(std::uint32_t l) const;
  [[nodiscard]] failure not_finite(const std::string& what) const;
  void norm_rows(const float* in, std::span<const float> weight, float* out);

  const model& model_;
  kernels::compute compute_;
  experts::expert_port& experts_;
  rope_table rope_sliding_;
  rope_table rope_full_;
  attention attention_;
  dense_mlp dense_;
  moe_router router_;

  std::uint32_t rows_ = 0;
  std::vector<row_position> row_positions_; // of the rows
  std::vector<float> embedding_;
  std::vector<float> x_;      // the residual stream
  std::vector<float> normed_; // scratch rows
  std::vector<float> branch_; // attention or dense output
  std::vector<float> moe_in_;
  std::vector<float> moe_out_;
  kernels::quantized_inputs head_input_;
  std::vector<float> logits_;
  phase_times times_;
};

} // namespace larql::gemma4
