// Numbers of a session service, for people and monitoring: counters since the start, and what is
// there now.

#pragma once

#include "runtime/generate/speculation_stats.hpp"
#include "runtime/models/gemma4/pass_stats.hpp"

#include <array>
#include <cstdint>

namespace larql::actors {

/// Counts of values by upper bound. `Bounds` is an array of ascending bounds, in units of its name.
template <const auto& Bounds>
struct session_histogram {
  std::array<std::uint64_t, std::size(Bounds) + 1> counts{}; ///< the last one: above all bounds
  std::uint64_t total = 0;
  double sum = 0;

  void add(double x) {
    auto i = std::size_t{0};
    while (i < std::size(Bounds) && x > static_cast<double>(Bounds[i]))
      ++i;
    ++counts[i];
    ++total;
    sum += x;
  }
};

/// Seconds.
inline constexpr std::array<double, 14> latency_bounds = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0};
/// Rows.
inline constexpr std::array<double, 11> row_bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

struct session_status {
  // Now.
  std::uint32_t running = 0; ///< answers that are computed
  std::uint32_t reading = 0; ///< of these, those whose prompt is read
  std::uint32_t paused = 0;
  std::uint32_t waiting = 0; ///< answers of requests that have not begun
  std::uint32_t sessions = 0;
  std::uint64_t kv_bytes = 0; ///< in use, cached sequences included
  std::uint64_t kv_limit = 0;
  std::uint64_t cached_sequences = 0;
  std::uint64_t cached_bytes = 0; ///< that only cached sequences hold

  // Since the start.
  std::uint64_t requests = 0;
  std::uint64_t refused = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t failed = 0;
  std::uint64_t prompt_tokens = 0; ///< of all prompts, cached ones included
  std::uint64_t cached_tokens = 0;
  std::uint64_t read_tokens = 0; ///< tokens of prompts that passes read
  double read_seconds = 0;       ///< that requests waited for their prompts to be read
  std::uint64_t answer_tokens = 0;
  double answer_seconds = 0; ///< from first to last token of all answers
  std::uint64_t cache_lookups = 0;
  std::uint64_t cache_hits = 0; ///< lookups that found anything
  std::uint64_t cache_evictions = 0;
  std::uint64_t disk_hits = 0;
  std::uint64_t preempted = 0; ///< answers that made room and are read again later
  std::uint64_t passes = 0;
  std::uint64_t failed_passes = 0;
  generate::speculation_stats speculation;
  session_histogram<latency_bounds> to_first_token; ///< from admission
  session_histogram<latency_bounds> between_tokens;
  session_histogram<latency_bounds> pass_seconds;
  session_histogram<row_bounds> pass_rows;
  gemma4::pass_stats cost; ///< of all passes: time by phase, calls to nodes, bytes
};

} // namespace larql::actors
