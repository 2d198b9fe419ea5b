// The experts of all layers asked at once: what a pass keeps of its layers between its rounds.
//
// A pass in rounds is an iteration over depth (Jacobi's). Round 0 goes through the layers with
// answers of zero and notes which rows each layer would give to which experts. All that was noted
// is then dispatched together, and the answers are those of the next round, which notes anew. A
// layer's answer is exact as soon as its rows were: that of layer l after l + 1 dispatches, so that
// as many dispatches as layers give the bits of layer after layer. With fewer, the pass is an
// approximation that waits for fewer round trips.
//
// Settled layers are neither noted nor asked for again: in round r these are the first r.
//
// Shapes    Rows and answers are [rows][hidden].
// Memory    Rows and answers of a layer share their place: rows × hidden × 4 bytes for each layer.
// Owner     One pass. The port outlives what is under way. Threads: one caller.
// Errors    A batch that fails, or a stop, cancels the others of its dispatch.

#pragma once

#include "runtime/experts/expert_port.hpp"
#include "runtime/kernels/kernel_set.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

namespace larql::experts {

class predispatch {
public:
  /// Batches under way at a time: what a node lets one connection have, and half of the bytes that
  /// may wait there.
  static constexpr std::size_t most_under_way = 32;
  static constexpr std::size_t most_bytes = std::size_t{48} << 20; ///< of rows as floats

  /// Forgets what was noted; round 0 begins.
  void begin(std::uint32_t layers, std::uint32_t hidden);

  /// Dispatches that have ended.
  [[nodiscard]] std::uint32_t round() const noexcept { return round_; }

  /// Replaces `answer` by the layer's answer in this round, and notes the batch if the layer is not
  /// settled. @pre layers in ascending order, none of them left out behind the first
  void exchange(const expert_batch& batch, std::span<float> answer);

  /// Forgets `count` rows from `first` on; the others move up. @pre nothing is under way
  void remove_rows(std::size_t first, std::size_t count);

  // ---- a dispatch -------------------------------------------------------------------------------

  /// Starts what this round has noted. @pre every layer of the round was exchanged
  [[nodiscard]] result<void> dispatch(expert_port& port);
  [[nodiscard]] bool is_under_way() const noexcept { return under_way_; }
  /// collect() would not block on another machine. @pre is_under_way()
  [[nodiscard]] bool is_ready() const noexcept { return layers_[next_].ticket->is_ready(); }
  /// Waits for the oldest batch and starts further ones. When it was the last, the next round
  /// begins. @pre is_under_way()
  [[nodiscard]] result<void> collect(expert_port& port, const kernels::kernel_set& k,
                                     const std::stop_token& stop);
  /// Drops what is under way.
  void cancel() noexcept;
  /// What the dispatch that was begun last has cost so far.
  [[nodiscard]] const call_stats& stats() const noexcept { return stats_; }

private:
  struct layer {
    std::vector<float> numbers; // noted rows, or their answer; empty before the first note
    std::vector<assignment> assignments;
    expert_ticket ticket;
  };

  [[nodiscard]] result<void> start_more(expert_port& port);
  [[nodiscard]] result<void> take_answer(layer& l, const kernels::kernel_set& k,
                                         const std::stop_token& stop);

  std::uint32_t hidden_ = 0;
  std::uint32_t round_ = 0;
  bool under_way_ = false;
  std::size_t next_ = 0;    // the oldest batch under way
  std::size_t started_ = 0; // the first one that is not started
  std::vector<layer> layers_;
  std::vector<std::int64_t> sums_;
  call_stats stats_;
};

} // namespace larql::experts
