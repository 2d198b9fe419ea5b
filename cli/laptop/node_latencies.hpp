// How long messages to the nodes of a cluster take, asked for now and then.
//
// Threads   refresh() by one; the others by any.
// Blocking  refresh() waits at most a second for each node.

#pragma once

#include "actors/laptop/cluster.hpp"
#include "cli/serve/server/serve_metrics.hpp"

#include <chrono>
#include <mutex>
#include <vector>

namespace larql::cli {

class node_latencies {
public:
  /// `nodes` is null where all experts are on this machine.
  node_latencies(caf::actor_system& system, const actors::cluster* nodes)
      : system_(system), nodes_(nodes) {}

  /// Asks every node that is there, if the numbers are older than a few seconds.
  void refresh();
  [[nodiscard]] std::vector<serve::node_latency> get() const;
  /// Nodes that are there.
  [[nodiscard]] std::uint32_t count() const;

private:
  caf::actor_system& system_;
  const actors::cluster* nodes_;
  std::chrono::steady_clock::time_point asked_{};
  mutable std::mutex mutex_;
  std::vector<serve::node_latency> latencies_;
};

} // namespace larql::cli
