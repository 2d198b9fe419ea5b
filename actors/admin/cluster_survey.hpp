// Asks every node of a cluster at once how it is, for commands that look at a cluster or control
// it.
//
// Blocking  As long as the cluster's connect deadline.

#pragma once

#include "actors/admin/node_connections.hpp"
#include "actors/admin/node_directory.hpp"
#include "runtime/topology/topology.hpp"

#include <string>
#include <vector>

namespace larql::actors {

struct surveyed_node {
  std::string expected_name; ///< as the topology calls it; may be empty
  topology::shard_url at;
  result<node_report> report = node_report{};
  bool announced = false; ///< the node opened the connection, to us or to the laptop that was asked

  /// What the node calls itself, else what the topology calls it, else its address.
  [[nodiscard]] std::string name() const;
  /// "serving", "loading", "draining", "degraded"; "suspect": it took the connection or nothing
  /// came back in time; "refused": it is not what the topology says, or does not want us; "down".
  [[nodiscard]] const char* state() const;
};

struct cluster_survey {
  std::vector<surveyed_node> nodes;    ///< each node once, however many addresses it has
  std::vector<std::string> unresolved; ///< DNS names and laptops in trouble, with the reason
};

/// The status of static nodes, of the nodes that DNS names resolve to, and of nodes that have
/// announced themselves to this program or to a laptop that can be asked. Sends `pings` pings each.
[[nodiscard]] cluster_survey survey_cluster(const topology::cluster& c,
                                            node_connections& connections, unsigned pings,
                                            node_directory* directory = nullptr);

} // namespace larql::actors
