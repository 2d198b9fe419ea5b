// The forward pass: rows of one or of several sequences through all layers.
//
// A layer has two steps: start_layer() ends when the experts have been started, and finish_layer()
// waits for them. Other passes can be computed in between, while nodes compute the experts.
//
// With a number of dispatches a pass goes through the layers in rounds and asks for the experts of
// all layers together between them (experts/predispatch.hpp). With as many as layers its numbers
// are those of a pass without rounds; with fewer they are an approximation.
//
// Shapes    hidden rows: [rows][hidden]; logits: [rows][vocab].
// Numerics  docs/numerics.md. Logits depend on the tokens and the weights only: not on the
//           chunking, the other sequences of a pass, other passes, the number of threads, the
//           instruction set, or where experts are computed. Approximate ones depend on the chunking
//           as well.
// Threads   One caller; the work inside spreads over the compute pool.
// Errors    Experts that cannot be reached, or numbers that stop being finite, end the pass. In
//           the second case all dense matrices are searched, and the error names the one at fault.
//           What a failed pass has written into a cache is written again by the next one.

#pragma once

#include "runtime/experts/expert_port.hpp"
#include "runtime/experts/predispatch.hpp"
#include "runtime/models/gemma4/attention.hpp"
#include "runtime/models/gemma4/dense_mlp.hpp"
#include "runtime/models/gemma4/model.hpp"
#include "runtime/models/gemma4/moe_router.hpp"
#include "runtime/models/gemma4/pass_rows.hpp"
#include "runtime/models/gemma4/pass_stats.hpp"
#include "runtime/models/gemma4/rope.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

namespace larql::gemma4 {

class forward {
public:
  /// What belongs to one pass: its rows, their numbers on the way through the layers, and the
  /// experts that are under way for it. Its memory is used again by the next pass.
  class pass {
  public:
    explicit pass(const vindex::model_config& config);

    [[nodiscard]] std::uint32_t rows() const noexcept { return rows_.size(); }
    /// Layers whose keys and values stand for good, so that later rows may read them there. Those
    /// of a pass in rounds do at its end.
    [[nodiscard]] std::uint32_t layers_started() const noexcept {
      return dispatches_ != 0 ? 0 : layer_ + (is_open_ ? 1 : 0);
    }
    /// finish_layer() is next: a layer is not finished, or a dispatch is under way.
    [[nodiscard]] bool is_waiting() const noexcept { return is_open_ || rounds_.is_under_way(); }
    /// finish_layer() would not block on another machine. @pre is_waiting()
    [[nodiscard]] bool is_ready() const noexcept {
      return rounds_.is_under_way() ? rounds_.is_ready() : !ticket_ || ticket_->is_ready();
    }

    /// Final hidden row. @pre all layers are finished
    [[nodiscard]] std::span<const float> hidden_row(std::uint32_t row) const;
    /// Final hidden rows, [rows][hidden]. @pre all layers are finished
    [[nodiscard]] std::span<const float> hidden_rows() const noexcept { return x_; }

    /// Cancels what is under way. The pass can begin anew.
    void cancel() noexcept {
      ticket_.drop();
      rounds_.cancel();
      is_open_ = false;
    }

    /// The nodes that had a part in it so far.
    [[nodiscard]] experts::maker_set makers() const noexcept { return makers_; }
    /// What this pass has cost since it began.
    [[nodiscard]] const pass_stats& stats() const noexcept { return stats_; }

  private:
    friend class forward;

    std::uint32_t hidden_;
    pass_rows rows_;
    std::uint32_t layer_ = 0; // the next one, or the open one
    bool is_open_ = false;    // the layer is started and not finished
    rope_table rope_sliding_;
    rope_table rope_full_;
    std::vector<float> x_;      // the residual stream
    std::vector<float> branch_; // attention or dense output
    std::vector<float> moe_out_;
    std::vector<std::int64_t> sums_;
    experts::expert_ticket ticket_;
    std::uint32_t dispatches_ = 0; // of a pass in rounds; 0: layer after layer
    experts::predispatch rounds_;
    std::vector<float> entry_; // the residual stream where the next round begins
    experts::maker_set makers_ = 0;
    pass_stats stats_;
  };

  /// `dispatches` of a pass in rounds; 0: layer after layer. More than layers are as many.
  forward(const model& model, kernels::compute compute, experts::expert_port& experts,
          std::uint32_t dispatches = 0);

  /// Puts rows into a pass. @pre as pass_rows::set; every token is below the vocabulary size; the
  /// caches have memory for the rows
  void begin(pass& p, std::span<const sequence_part> parts);
  [[nodiscard]] bool is_done(const pass& p) const noexcept {
    return p.layer_ == model_.config.layers;
  }
  /// Attention, choice of experts and dense branch of the next layer. Rows of a sequence that
  /// another pass is reading may enter a layer after the earlier rows' attention there.
  /// @pre !is_done(p) and !p.is_waiting()
  [[nodiscard]] result<void> start_layer(pass& p, const std::stop_token& stop);
  /// Waits for the experts of the layer and finishes it; between rounds, waits for the oldest layer
  /// of the dispatch. @pre p.is_waiting()
  [[nodiscard]] result<void> finish_layer(pass& p, const std::stop_token& stop);

  /// Leaves `count` rows from `first` on out of the layers that follow; the others move up. What
  /// the rest gives does not change. @pre !p.is_waiting()
  void leave_out(pass& p, std::size_t first, std::size_t count);

  /// Takes `parts` through all layers.
  [[nodiscard]] result<void> run(pass& p, std::span<const sequence_part> parts,
                                 const std::stop_token& stop = {});

  /// Logits of [n][hidden] final hidden rows, soft cap applied, from one product with the output
  /// head. Valid until the next call.
  [[nodiscard]] result<std::span<const float>> logits_of(std::span<const float> hidden_rows);

  /// Called with what the calls to nodes cost, after each layer, or dispatch of all layers.
  std::function<void(const experts::call_stats&)> on_calls;
  /// Called after each layer of a pass, in each round, with its index and the residual stream
  /// [rows][hidden]; for tests that look for the first layer that departs.
  std::function<void(std::uint32_t, std::span<const float>)> on_layer;

  /// The router's choice in the layer that was started last.
  [[nodiscard]] const moe_router& router() const noexcept { return router_; }

  /// Time spent in logits_of() so far.
  [[nodiscard]] std::chrono::nanoseconds head_time() const noexcept { return head_time_; }

private:
  void embed(pass& p, std::span<const sequence_part> parts);
  [[nodiscard]] result<void> run_layers(pass& p, const std::stop_token& stop);
  [[nodiscard]] result<void> ask_experts(pass& p);
  [[nodiscard]] result<void> wait_for_experts(pass& p, const std::stop_token& stop);
  [[nodiscard]] result<void> end_round(pass& p);
  [[nodiscard]] result<void> collect(pass& p, const std::stop_token& stop);
  void count_calls(pass& p, const experts::call_stats& calls);
  [[nodiscard]] result<void> check_finite(const pass& p) const;
  [[nodiscard]] failure not_finite(const std::string& what) const;
  void norm_rows(std::uint32_t rows, const float* in, std::span<const float> weight, float* out);

  const model& model_;
  kernels::compute compute_;
  experts::expert_port& experts_;
  std::uint32_t dispatches_;

  // Scratch of the step that runs.
  attention attention_;
  dense_mlp dense_;
  moe_router router_;
  std::vector<experts::assignment> assignments_;
  std::vector<float> embedding_;
  std::vector<float> normed_; // [rows][hidden]
  kernels::quantized_inputs head_input_;
  std::vector<float> logits_;
  std::chrono::nanoseconds head_time_{0};
};

} // namespace larql::gemma4
