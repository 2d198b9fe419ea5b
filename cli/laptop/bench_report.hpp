// What `larql bench` measured, as text and as JSON. Field names of the JSON are stable.

#pragma once

#include "runtime/models/gemma4/pass_stats.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace larql::cli {

/// Totals of the expert calls so far; all zero when experts are local.
struct bench_wire {
  std::uint64_t layers = 0;
  std::uint64_t calls = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
};

struct bench_prefill {
  std::uint32_t tokens = 0;
  std::vector<double> seconds; ///< of each repetition
  gemma4::phase_times phases;  ///< of the last repetition
};

struct bench_decode {
  std::uint32_t sessions = 1;
  std::uint32_t depth = 0;     ///< tokens in the cache at the start
  std::vector<double> seconds; ///< of each pass, which gives one token to every session
  gemma4::phase_times phases;  ///< of all passes together
  bench_wire wire_before;
  bench_wire wire_after;
  std::vector<float> round_trip_us; ///< per layer, the slowest call
  std::vector<float> round_trip_compute_us;
};

/// One answer whose drafts were right as often as was said.
struct bench_speculation {
  double acceptance = 0; ///< of a draft whose parent was right
  std::uint64_t passes = 0;
  std::uint64_t tokens = 0; ///< of these passes
  std::uint64_t drafted = 0;
  std::uint64_t accepted = 0;
  double seconds = 0;
};

struct bench_results {
  std::string vindex;
  std::string placement; ///< "local" or "nodes"
  std::string simd;
  unsigned threads = 1;
  double open_seconds = 0;
  std::uint64_t dense_bytes = 0;    ///< of weights, read on this machine per token
  std::uint64_t expert_bytes = 0;   ///< likewise; 0 when experts are on nodes
  double read_bytes_per_second = 0; ///< what the probe found; 0: not measured
  std::vector<bench_prefill> prefill;
  std::vector<bench_decode> decode;
  std::vector<bench_speculation> speculation;
};

[[nodiscard]] std::string text_of(const bench_results& results);
[[nodiscard]] std::string json_of(const bench_results& results);

} // namespace larql::cli
