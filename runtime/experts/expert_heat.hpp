// Counts which experts the last tokens used, for people who watch a model work.
//
// counted_experts is an expert_port that notes what passes through it and hands it on. Tokens are
// counted for each layer on its own: the last `window` rows of every layer.
//
// Threads   note() by the thread that runs passes; snapshot() by any. A snapshot may be of the
//           middle of a pass.
// Memory    note() allocates nothing.

#pragma once

#include "runtime/experts/expert_port.hpp"

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

namespace larql::experts {

class expert_heat {
public:
  /// `top_k` experts a row at most are remembered.
  expert_heat(std::uint32_t layers, std::uint32_t experts, std::uint32_t top_k,
              std::uint32_t window);

  /// Rows of one layer. Assignments of unknown layers and experts are not counted.
  void note(std::uint32_t layer, std::uint32_t rows, std::span<const assignment> assignments);

  struct picture {
    std::uint32_t tokens = 0;         ///< of the layer that has counted most; at most the window
    std::vector<std::uint8_t> counts; ///< [layers][experts]; 255 stands for more as well
  };
  [[nodiscard]] picture snapshot() const;

private:
  static constexpr std::uint16_t none = UINT16_MAX;

  [[nodiscard]] std::uint16_t* slot(std::uint32_t layer, std::uint32_t place) {
    return &ring_[(std::size_t{layer} * window_ + place) * top_k_];
  }

  std::uint32_t layers_, experts_, top_k_, window_;
  std::vector<std::uint16_t> ring_;   // [layers][window][top_k]: the experts of each row
  std::vector<std::uint64_t> rows_;   // [layers]: counted so far
  std::vector<std::uint32_t> filled_; // [window]: experts noted of each new row
  std::vector<std::atomic<std::uint16_t>> counts_; // [layers][experts]
  std::atomic<std::uint32_t> tokens_{0};
};

class counted_experts final : public expert_port {
public:
  /// Borrows both.
  counted_experts(expert_port& port, expert_heat& heat) : port_(port), heat_(heat) {}

  result<expert_ticket> start(const expert_batch& batch, ready_fn on_ready = {}) override {
    heat_.note(batch.layer, batch.rows, batch.assignments);
    return port_.start(batch, std::move(on_ready));
  }
  [[nodiscard]] const maker_ledger* makers() const noexcept override { return port_.makers(); }

private:
  expert_port& port_;
  expert_heat& heat_;
};

} // namespace larql::experts
