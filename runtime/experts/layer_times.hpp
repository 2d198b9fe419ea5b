// Times of the last layers whose experts were computed by nodes, for reports of a process that may
// run for days.
//
// Units     Microseconds.
// Memory    Grows to `capacity` layers, 512 KiB, and stays there.
// Threads   Plain state; one owner.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace larql::experts {

/// The slowest call of one layer.
struct layer_time {
  float round_trip_us = 0;
  float compute_us = 0; ///< of that, in the node's kernels
};

class layer_times {
public:
  /// Two thousand tokens of a model of thirty layers: quantiles over them are steady, and those of
  /// an answer of ordinary length are over all of it.
  static constexpr std::size_t capacity = 65536;

  void add(layer_time t) {
    if (kept_.size() < capacity)
      kept_.push_back(t);
    else
      kept_[added_ % capacity] = t;
    ++added_;
  }

  /// Layers added ever.
  [[nodiscard]] std::uint64_t added() const noexcept { return added_; }

  /// The layers after the first `n` that were ever added, oldest first, as far as they are kept.
  [[nodiscard]] std::vector<layer_time> since(std::uint64_t n) const {
    auto out = std::vector<layer_time>{};
    for (auto i = std::max<std::uint64_t>(n, added_ - kept_.size()); i < added_; ++i)
      out.push_back(kept_[i % capacity]);
    return out;
  }

private:
  std::vector<layer_time> kept_;
  std::uint64_t added_ = 0;
};

} // namespace larql::experts
