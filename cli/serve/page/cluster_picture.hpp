// What the page shows of the cluster at one moment: the model, who has which experts, and numbers.
// Counters count from the start of the server; whoever reads them twice knows what happened
// between.
//
// Threads   Plain values.

#pragma once

#include "cli/serve/api/model_facts.hpp"
#include "runtime/experts/ownership.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace larql::serve {

/// What a node says of itself, and how long a message to it and back takes.
struct node_numbers {
  std::chrono::duration<double, std::milli> round_trip_p50{0}, round_trip_p99{0};
  std::uint64_t owned_bytes = 0;    ///< of expert weights
  std::uint64_t resident_bytes = 0; ///< of these, in memory
  std::uint64_t process_bytes = 0;  ///< of memory, all in all
  std::uint64_t calls = 0;          ///< answered since the node's start, failed ones included
  std::uint64_t failed = 0;
  std::uint32_t waiting = 0;
  std::uint32_t load_percent = 0;
};

struct picture_node {
  std::string name; ///< may be empty for a node that never came
  std::string address;
  /// "serving", "suspect" (serving, and a call is overdue), "loading", "draining", "degraded",
  /// "lost" or "refused"
  std::string state;
  std::string why; ///< of the last two
  experts::ownership owned;
  std::optional<node_numbers> numbers = {}; ///< absent as long as they are not known
};

/// Another node that has some experts of one that is away.
struct takeover {
  std::string node;
  experts::ownership part;
};

struct cluster_event {
  enum class kind : std::uint8_t { joined, lost, changed };
  using time = std::chrono::steady_clock::time_point;

  std::uint64_t number = 0; ///< from 1
  time at{};
  kind what = kind::changed;
  std::string node;
  std::string why; ///< of lost; of changed, the new state
  experts::ownership owned;
  std::vector<takeover> took_over;
  std::uint64_t without_owner = 0; ///< experts of all layers, of this node's, that nobody has now
};

/// How often each expert was used by the last tokens that were computed.
struct expert_heat_picture {
  std::uint32_t tokens = 0;
  std::vector<std::uint8_t> counts; ///< [layers][experts]; 255 and more are 255
};

struct picture_counters {
  // Now.
  std::uint32_t running = 0, reading = 0, waiting = 0; ///< answers
  std::uint64_t kv_bytes = 0, kv_limit_bytes = 0;      ///< 0: not bounded
  std::uint64_t cached_sequences = 0, cached_bytes = 0;
  // Since the start.
  std::uint64_t requests = 0;
  std::uint64_t prompt_tokens = 0, cached_tokens = 0, read_tokens = 0, answer_tokens = 0;
  double read_seconds = 0;          ///< of prompts
  std::uint64_t decoded_tokens = 0; ///< behind the first one of each answer
  double decoded_seconds = 0;       ///< between them
  std::uint64_t cache_lookups = 0, cache_hits = 0, cache_evictions = 0, disk_hits = 0;
  std::uint64_t preempted = 0;
  std::uint64_t passes = 0, rows = 0; ///< rows of all passes
  double pass_seconds = 0;
  double attention_seconds = 0, router_seconds = 0, dense_seconds = 0, experts_seconds = 0,
         combine_seconds = 0, head_seconds = 0; ///< of these
  std::uint64_t calls = 0, repeated = 0, hedged = 0, sent_bytes = 0, received_bytes = 0;
};

struct speculation_counters {
  std::uint64_t drafted = 0, accepted = 0; ///< tokens
};

struct cluster_picture {
  cluster_event::time now{};
  cluster_event::time started{};
  model_facts model;
  std::optional<experts::ownership> own; ///< computed by this process
  std::vector<picture_node> nodes;
  std::vector<cluster_event> events; ///< the last ones, oldest first
  expert_heat_picture heat;
  picture_counters counters;
  std::optional<speculation_counters> speculation; ///< absent: off
};

} // namespace larql::serve
