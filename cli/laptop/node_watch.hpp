// The nodes of a cluster as a server shows them: who is there, what has happened, and how they are,
// which is asked for now and then.
//
// Threads   refresh() by one; the others by any.
// Blocking  refresh() waits at most a second.

#pragma once

#include "actors/laptop/cluster.hpp"
#include "cli/serve/page/cluster_history.hpp"
#include "cli/serve/server/serve_metrics.hpp"

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace larql::cli {

class node_watch {
public:
  using time = std::chrono::steady_clock::time_point;

  /// `nodes` is null where all experts are on this machine.
  node_watch(caf::actor_system& system, const actors::cluster* nodes)
      : system_(system), nodes_(nodes) {}

  /// Notes who has come and gone, and asks every node for its numbers if they are older than a few
  /// seconds; than one second, while somebody looks.
  void refresh();

  struct picture {
    std::vector<serve::picture_node> nodes;
    std::vector<serve::cluster_event> events;
  };
  /// As of now, with numbers as they were last told. Somebody looks.
  [[nodiscard]] picture look();

  [[nodiscard]] std::vector<serve::node_latency> latencies() const;
  /// Nodes that are there.
  [[nodiscard]] std::uint32_t count() const;

private:
  using numbers_by_node = std::map<std::uint64_t, serve::node_numbers>; // by incarnation

  [[nodiscard]] numbers_by_node ask(const actors::cluster_view& view) const;
  [[nodiscard]] std::vector<serve::picture_node> nodes_now() const;

  caf::actor_system& system_;
  const actors::cluster* nodes_;
  time asked_{};
  mutable std::mutex mutex_; // guards what follows
  time looked_at_{};
  numbers_by_node numbers_;
  serve::cluster_history history_;
};

} // namespace larql::cli
