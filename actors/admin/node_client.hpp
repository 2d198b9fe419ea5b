// Short visits to a node, for `larql status`, `drain` and `restart`: a connection that asks or
// tells it something and ends. No actor system is needed.
//
// Blocking  Each function returns by its deadline.
// Threads   Free functions; any number at once.
// Errors    Name the node's address. A node that takes the connection and stays silent is
//           `deadline`; one that is of no use is `mismatch` or `corrupt`.

#pragma once

#include "actors/net/dial.hpp"

#include <vector>

namespace larql::actors {

struct node_report {
  schema::node_description description;
  schema::node_status status;
  std::vector<float> round_trips_us; ///< of the pings
};

/// How such a connection introduces itself. No model: it may not call.
[[nodiscard]] schema::hello admin_hello();

/// Asks a node that has been greeted how it is, and how far away; or asks a laptop that has it,
/// which forwards the requests.
[[nodiscard]] result<node_report> query_status(const secure_stream& node,
                                               const schema::node_description& description,
                                               unsigned pings, time_limit until);

/// The same of a node that is dialled for it.
[[nodiscard]] result<node_report> query_status(const topology::shard_url& at,
                                               const tls_context_ptr& tls, unsigned pings,
                                               time_limit until);

/// Tells a node that has been greeted to drain or to restart, and returns what it says when it has.
[[nodiscard]] result<std::string> send_control(const secure_stream& node,
                                               const schema::node_description& description,
                                               schema::control_action action, time_limit until);

/// The same of a node that is dialled for it. `dial_until` bounds the connection, `until` the
/// whole.
[[nodiscard]] result<std::string> send_control(const topology::shard_url& at,
                                               const tls_context_ptr& tls,
                                               schema::control_action action, time_limit dial_until,
                                               time_limit until);

} // namespace larql::actors
