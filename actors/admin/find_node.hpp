// Finds one node by its name, for commands that control nodes.
//
// Blocking  find_node() as long as the cluster's connect deadline, and `wait_s` if the node has to
//           announce itself first.

#pragma once

#include "actors/admin/meet_nodes.hpp"
#include "actors/admin/node_client.hpp"
#include "runtime/topology/topology.hpp"

#include <functional>
#include <stop_token>
#include <string>

namespace larql::actors {

struct found_node {
  /// The node's status; after a restart, that of its successor.
  std::function<result<node_report>(time_limit until)> query;
  /// Tells the node to drain or to restart, and returns its answer when that is done.
  std::function<result<std::string>(schema::control_action, time_limit until)> control;
};

/// The node called `name`, by the topology or by itself, or at this address; one that is in no file
/// is waited for where nodes announce themselves, which `notice` is told. The error lists the nodes
/// that there are.
[[nodiscard]] result<found_node> find_node(const topology::cluster& c, const tls_context_ptr& tls,
                                           const std::string& name, double wait_s,
                                           const notice_fn& notice, const std::stop_token& stop);

} // namespace larql::actors
