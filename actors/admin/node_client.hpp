// Short connections to a node, for `larql status`, `drain` and `restart`: each carries one request
// and its answer. No actor system is needed.
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
  std::vector<float> round_trips_us; ///< of the pings that were answered in time; may be empty
  /// When the node's certificate expires; none without, or if a laptop is in between.
  std::optional<std::chrono::system_clock::time_point> certificate_until = {};
};

/// How such a connection introduces itself. No model: it may not call.
[[nodiscard]] schema::hello admin_hello();

/// Asks a node for its status and measures round trips, over a connection after its handshake. The
/// peer may also be a laptop that has the node's connection; it forwards the requests.
[[nodiscard]] result<node_report> query_status(const secure_stream& node,
                                               const schema::node_description& description,
                                               unsigned pings, time_limit until);

/// The same over a connection that is made for this request.
[[nodiscard]] result<node_report> query_status(const topology::shard_url& at,
                                               const tls_context_ptr& tls, unsigned pings,
                                               time_limit until);

/// Tells a node to drain or to restart, and returns its answer when that is done.
[[nodiscard]] result<std::string> send_control(const secure_stream& node,
                                               const schema::node_description& description,
                                               schema::control_action action, time_limit until);

/// The same over a connection that is made for this request. `dial_until` bounds connecting,
/// `until` the whole.
[[nodiscard]] result<std::string> send_control(const topology::shard_url& at,
                                               const tls_context_ptr& tls,
                                               schema::control_action action, time_limit dial_until,
                                               time_limit until);

} // namespace larql::actors
