// One node by its name, and the way to it, for commands that steer nodes.
//
// Blocking  reach() as long as the cluster's connect deadline, and --wait if the node has to come.

#pragma once

#include "actors/node_inquiry.hpp"
#include "runtime/topology/topology.hpp"

#include <functional>
#include <string>

namespace larql::cli {

struct reached_node {
  /// How it is; after a restart, how its successor is.
  std::function<result<actors::node_report>(actors::time_limit until)> inquire;
  /// Tells it to drain or to restart, and returns what it says when it has.
  std::function<result<std::string>(schema::control_action, actors::time_limit until)> tell;
};

/// The node called `name`, by the topology or by itself, or at this address; one that is in no file
/// is waited for where nodes announce themselves. The error lists who is there.
[[nodiscard]] result<reached_node> reach(const topology::cluster& c,
                                         const actors::tls_context_ptr& tls,
                                         const std::string& name, double wait_s);

} // namespace larql::cli
