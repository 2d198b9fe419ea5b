// What a node's calls have cost so far, and what the next one may cost: the base of deadlines,
// hedging and the choice between replicas.
//
// A call's work is counted in units: one for each distinct expert (its weights are read once) and
// one for each pick (its arithmetic). Expected time = overhead + queueing + units × time per unit,
// all moving averages. Queueing, the time in which the node was busy with others, is forgotten
// sooner than what the network and the node itself need; how far real calls stray from that is kept
// as a window of ratios. A call of many bytes, or one behind many bytes, takes as long more as
// these need at the rate that was measured.
//
// Units     Microseconds.
// Threads   Plain state; one owner.

#pragma once

#include "runtime/topology/topology.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace larql::actors {

/// The last numbers of a series, for quantiles.
class recent_values {
public:
  void add(float x);
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The value below which `share` (0..1) of the numbers lie; 0 for none.
  [[nodiscard]] float quantile(double share) const;

private:
  static constexpr std::size_t capacity = 256;
  std::array<float, capacity> values_{};
  std::size_t size_ = 0;
  std::size_t next_ = 0;
};

/// One answered call.
struct call_sample {
  std::uint32_t units = 0;
  std::chrono::nanoseconds total{0};   ///< from sending to the answer
  std::chrono::nanoseconds compute{0}; ///< in the node's kernels
  std::chrono::nanoseconds queue{0};   ///< at the node, before them
  float expected_us = 0;               ///< expected_us() when it was sent
  std::uint64_t bytes = 0;             ///< call and answer, and all that were under way before it
};

class call_timing {
public:
  void add(const call_sample& s);

  /// With fewer answers than this nothing is concluded from them.
  [[nodiscard]] bool is_cold() const noexcept { return ratios_.size() < enough_samples; }

  /// `bytes` as in call_sample.
  [[nodiscard]] float expected_us(std::uint32_t units, std::uint64_t bytes = 0) const noexcept {
    return overhead_us_ + queue_us_ + unit_us_ * static_cast<float>(units) + passing_us(bytes);
  }
  [[nodiscard]] float overhead_us() const noexcept { return overhead_us_; }
  [[nodiscard]] float queue_us() const noexcept { return queue_us_; }
  [[nodiscard]] float unit_us() const noexcept { return unit_us_; }
  /// What bytes take to pass; 0 for as few as any small call has, which are in the overhead.
  [[nodiscard]] float passing_us(std::uint64_t bytes) const noexcept {
    return bytes < many_bytes ? 0 : byte_us_ * static_cast<float>(bytes);
  }

  /// The time after which a call is given up on: the slowest percent × factor, within floor and
  /// ceiling; the ceiling while cold. What the bytes need is allowed beyond the ceiling.
  [[nodiscard]] std::chrono::microseconds
  deadline(std::uint32_t units, const topology::deadlines& limits, std::uint64_t bytes = 0) const;

  /// The time after which a call is slower than `quantile` of its like. Zero while cold.
  [[nodiscard]] std::chrono::microseconds slow_after(std::uint32_t units, double quantile,
                                                     std::uint64_t bytes = 0) const;

private:
  static constexpr std::size_t enough_samples = 16;
  // Two decoded rows and their answers are fewer.
  static constexpr std::uint64_t many_bytes = 64 * 1024;

  // Guesses for a node that was never asked; any measurement replaces them quickly.
  float overhead_us_ = 300;
  float queue_us_ = 0;
  float unit_us_ = 50;
  float byte_us_ = 0; // 0: not measured
  bool measured_ = false;
  bool overhead_measured_ = false; // of a call of few bytes
  recent_values ratios_;
};

} // namespace larql::actors
