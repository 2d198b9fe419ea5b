// Runs passes: batches of parts of several sequences, prompt chunks and decoded tokens mixed. One
// executor serves a process; it owns the forward pass and its scratch memory.
//
// A prompt is read in chunks. With experts on other machines several chunks of a prompt may be in
// flight: while nodes compute the experts of one chunk, this machine computes an earlier layer of
// the next one. How many there are, and of how many tokens, follows from what passes have cost.
//
// Numerics  The results of a sequence do not depend on the other sequences of a pass or on chunks;
//           approximate ones (predispatch) do depend on chunks.
// Owner     Borrows model, compute, port and, during a call, the sequences.
// Threads   One caller.
// Errors    A failed or cancelled pass leaves its sequences as they were before it; chunks that
//           were complete stay.

#pragma once

#include "runtime/experts/layer_times.hpp"
#include "runtime/generate/flight_plan.hpp"
#include "runtime/generate/running_pass.hpp"
#include "runtime/generate/sequence.hpp"
#include "runtime/models/gemma4/forward.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

namespace larql::generate {

struct executor_options {
  std::uint32_t chunk = 256;          ///< most prompt tokens per pass
  std::uint32_t chunks_in_flight = 1; ///< of one prompt, at most
  bool adapts = false; ///< chunks become smaller, and fewer in flight, where that is faster
  /// Passes ask for the experts of all layers together, so many times (experts/predispatch.hpp),
  /// and are approximate; 0: layer after layer. A prompt's chunks do not overlap then.
  std::uint32_t predispatch = 0;
};

class executor {
public:
  /// What a pass does for one sequence: appends tokens, or tries a tree of drafts behind its end
  /// (parents as in gemma4::sequence_part).
  struct part {
    sequence* to = nullptr;
    std::span<const std::uint32_t> tokens;
    std::span<const std::int32_t> parents = {};
    std::stop_token stop = {}; ///< requested: the part is left out from the next layer on
  };
  /// Where a row of logits comes from.
  struct row {
    const sequence* of = nullptr;
    std::uint32_t position = 0; ///< of a token, or the number of a draft
    bool is_draft = false;
  };

  /// Fails with `usage` if the options make no sense.
  [[nodiscard]] static result<std::unique_ptr<executor>> create(const gemma4::model& model,
                                                                kernels::compute compute,
                                                                experts::expert_port& experts,
                                                                const executor_options& options);

  [[nodiscard]] const executor_options& options() const noexcept { return options_; }

  /// One pass. Fails with `usage` if a token is outside the vocabulary or does not fit a context,
  /// and with `unavailable` if there is no memory for keys and values.
  /// @pre parts are not empty and of different sequences
  [[nodiscard]] result<void> run(std::span<const part> parts, const std::stop_token& stop = {});

  // ---- passes that are taken a step at a time
  // ----------------------------------------------------

  /// Begins a pass. Tokens of a sequence that another running pass reads as well come behind those;
  /// the pass then stays behind the other one. Fails as run() does; nothing is begun then.
  /// @pre as run(); `p` is not active. Drafts only of sequences that no other pass reads
  [[nodiscard]] result<void> begin(running_pass& p, std::span<const part> parts);
  /// All layers are computed, or all parts are left out.
  [[nodiscard]] bool is_done(const running_pass& p) const noexcept;
  /// The next step would wait, for other machines or for a pass ahead of this one.
  [[nodiscard]] bool would_wait(const running_pass& p) const noexcept;
  /// Takes a pass one step further, of which a layer has two. A failure drops the pass, and so
  /// does `stop`, or without one the stop of all its parts, with errc::cancelled.
  /// @pre active, not done, and no pass ahead keeps it waiting
  [[nodiscard]] result<void> advance(running_pass& p, const std::stop_token& stop = {});
  /// Appends the tokens, or the drafts, of the parts that were not left out. @pre is_done(p)
  void finish(running_pass& p);
  /// Gives a pass up: its sequences stay as they were, and other passes leave out the parts that
  /// would come behind it.
  void drop(running_pass& p);

  // ---- whole texts ------------------------------------------------------------------------------

  /// Appends any number of tokens to a sequence, in chunks. `on_chunk` is told the sequence's size
  /// whenever one of them is complete; its rows are kept until the next one is (sequence::row_at).
  /// How many tokens a chunk has is chosen here.
  [[nodiscard]] result<void> append(sequence& to, std::span<const std::uint32_t> tokens,
                                    const std::stop_token& stop = {},
                                    const std::function<void(std::uint32_t)>& on_chunk = {});

  /// Computes again what a condemned node had a part in, until nothing of the sequence is void. The
  /// tokens stay. Returns how many were read again. After a failure the sequence has the tokens
  /// that are not void, which may be fewer.
  [[nodiscard]] result<std::uint32_t> renew(sequence& s, const std::stop_token& stop = {});

  /// Logits [rows][vocab] of rows that their sequences still keep, from one product with the output
  /// head. Valid until the next call.
  [[nodiscard]] result<std::span<const float>> logits(std::span<const row> rows);
  /// Logits of a sequence's last token. @pre its row is kept
  [[nodiscard]] result<std::span<const float>> last_logits(const sequence& of);

  /// What all passes so far have cost.
  [[nodiscard]] gemma4::pass_stats stats() const;
  /// What passes of one or several sequences have cost, by their rows.
  [[nodiscard]] const flight_costs& costs() const noexcept { return costs_; }
  /// Times of the last layers whose experts were on nodes.
  [[nodiscard]] const experts::layer_times& layer_times() const noexcept { return layer_times_; }

private:
  /// A chunk of a prompt that is under way.
  struct chunk {
    std::unique_ptr<gemma4::forward::pass> pass;
    std::span<const std::uint32_t> tokens;
    std::uint64_t condemned; // makers when it began
  };

  executor(const gemma4::model& model, kernels::compute compute, experts::expert_port& experts,
           const executor_options& options);

  [[nodiscard]] result<void> check(const part& p, std::uint32_t first) const;
  [[nodiscard]] std::uint32_t end_of(const sequence& s) const noexcept;
  [[nodiscard]] bool is_behind(const running_pass& p) const noexcept;
  void leave_out_stopped(running_pass& p);
  void retire(running_pass& p);
  [[nodiscard]] result<void> begin_chunk(sequence& to, std::uint32_t first,
                                         std::span<const std::uint32_t> tokens);
  [[nodiscard]] result<void> advance_chunks(const std::stop_token& stop);
  [[nodiscard]] flight next_chunks(std::size_t tokens) const;
  void learn(const gemma4::forward::pass& p);
  void drop_chunks();
  [[nodiscard]] std::uint64_t condemned_makers() const noexcept {
    return makers_ != nullptr ? makers_->condemnations() : 0;
  }

  const gemma4::model& model_;
  executor_options options_;
  const experts::maker_ledger* makers_; // null: all experts are this process's own
  gemma4::forward forward_;
  running_pass run_;                   // used by run()
  std::vector<running_pass*> running_; // in the order in which they began
  std::vector<gemma4::sequence_part> parts_;
  std::deque<chunk> chunks_; // used by append(), in the order of their tokens
  std::vector<std::unique_ptr<gemma4::forward::pass>> spare_passes_;
  std::vector<float> rows_; // gathered for logits()
  gemma4::pass_stats stats_;
  flight_costs costs_;
  experts::layer_times layer_times_;
};

} // namespace larql::generate
