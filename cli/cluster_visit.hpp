// Visits every node of a cluster at once, for commands that look at it or steer it.
//
// Blocking  As long as the cluster's connect deadline.

#pragma once

#include "actors/announced_nodes.hpp"
#include "runtime/topology/topology.hpp"

#include <string>
#include <vector>

namespace larql::cli {

struct visited_node {
  std::string expected_name; ///< as the topology calls it; may be empty
  topology::shard_url at;
  result<actors::node_report> report = actors::node_report{};
  bool announced = false; ///< it dialled us

  /// What the node calls itself, else what the topology calls it, else its address.
  [[nodiscard]] std::string name() const;
  /// "serving", "loading", "draining", "degraded"; "suspect": it took the connection or nothing
  /// came back in time; "refused": it is not what the topology says, or does not want us; "down".
  [[nodiscard]] const char* state() const;
};

struct visited_cluster {
  std::vector<visited_node> nodes;     ///< each node once, however many addresses it has
  std::vector<std::string> unresolved; ///< DNS names in trouble, with the reason
};

/// Static nodes, those that DNS names stand for, and those that have announced themselves, if
/// somebody listens. `pings` each.
[[nodiscard]] visited_cluster visit_all(const topology::cluster& c,
                                        const actors::tls_context_ptr& tls, unsigned pings,
                                        actors::announced_nodes* announced = nullptr);

/// The node called `name`, by the topology or by itself, or at this address. The error lists who is
/// there.
[[nodiscard]] result<topology::shard_url>
find_node(const topology::cluster& c, const actors::tls_context_ptr& tls, const std::string& name);

} // namespace larql::cli
