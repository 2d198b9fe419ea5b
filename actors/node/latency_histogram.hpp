// How long things took, counted by buckets as Prometheus wants them: cheap to add to, read while
// others add.
//
// Threads   Any. A reader may see a time in its bucket and not yet in the sum.

#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace larql::actors {

class latency_histogram {
public:
  /// Upper bounds in seconds: from one layer of a small model in memory to one read from a slow
  /// disk. A further bucket holds what took longer.
  static constexpr std::array<double, 14> bounds{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                                 0.1,    0.2,   0.5,   1,     2,    5,    10};

  void add(std::chrono::nanoseconds time) noexcept {
    const auto seconds = std::chrono::duration<double>(time).count();
    auto i = std::size_t{0};
    while (i < bounds.size() && seconds > bounds[i])
      ++i;
    counts_[i].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(static_cast<std::uint64_t>(time.count()), std::memory_order_relaxed);
  }

  /// Times in bucket i alone, bounds.size() for the last. @pre i <= bounds.size()
  [[nodiscard]] std::uint64_t count(std::size_t i) const noexcept {
    return counts_[i].load(std::memory_order_relaxed);
  }
  [[nodiscard]] double sum_seconds() const noexcept {
    return static_cast<double>(sum_ns_.load(std::memory_order_relaxed)) * 1e-9;
  }

private:
  std::array<std::atomic<std::uint64_t>, bounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> sum_ns_{0};
};

} // namespace larql::actors
