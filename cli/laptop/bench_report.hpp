// What `larql bench` measured, as text and as JSON. Field names of the JSON are stable.

#pragma once

#include "runtime/models/gemma4/pass_stats.hpp"
#include "runtime/quant/sum_format.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
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

/// What the link to the nodes was measured to give. Seconds and bytes.
struct bench_link_facts {
  std::string name; ///< of a standard link
  double round_trip = 0;
  double up_bytes_per_second = 0;
  double down_bytes_per_second = 0;
  double jitter = 0;                        ///< of each piece, at most; not in the round trip
  double stall_every = 0, stall_length = 0; ///< not in any bound
  bool slow_start = false;                  ///< of TCP's window, which is in no bound
  std::size_t nodes = 0;
};

struct bench_prefill {
  std::uint32_t tokens = 0;
  std::vector<double> seconds; ///< of each repetition
  gemma4::phase_times phases;  ///< of the last repetition
  // Likewise; where experts are on nodes.
  bench_wire wire_before = {};
  bench_wire wire_after = {};
  double node_seconds = 0;  ///< kernels of each layer's slowest call, together
  std::uint32_t chunks = 1; ///< passes in which it was read
};

struct bench_decode {
  std::uint32_t sessions = 1;
  std::uint32_t groups = 1;    ///< passes that take turns, each for its part of the sessions
  std::uint32_t depth = 0;     ///< tokens in the cache at the start
  std::vector<double> seconds; ///< of each round, which gives one token to every session
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
  std::string placement;                             ///< "local" or "nodes"
  std::uint32_t predispatch = 0;                     ///< dispatches of a pass, if it is approximate
  quant::sum_format sums = quant::sum_format::exact; ///< of nodes' answers; else approximate
  std::string simd;
  unsigned threads = 1;
  double open_seconds = 0;
  std::uint64_t dense_bytes = 0;        ///< of weights, read on this machine per token
  std::uint64_t expert_bytes = 0;       ///< likewise; 0 when experts are on nodes
  double read_bytes_per_second = 0;     ///< what the probe found; 0: not measured
  std::optional<bench_link_facts> link; ///< none: whatever network there is
  std::vector<bench_prefill> prefill;
  std::vector<bench_decode> decode;
  std::vector<bench_speculation> speculation;
};

[[nodiscard]] std::string text_of(const bench_results& results);
[[nodiscard]] std::string json_of(const bench_results& results);

} // namespace larql::cli
