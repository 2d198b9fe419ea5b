// The nodes that dial (larql-node --join), for commands that look at them or control them: they
// announce themselves to this program (local_directory.hpp), or to a laptop that forwards requests
// to them (proxied_directory.hpp).
//
// Threads   Methods may be called from one thread.
// Blocking  query_all(), query() and control() until their deadline.

#pragma once

#include "actors/admin/node_client.hpp"

#include <string>
#include <vector>

namespace larql::actors {

struct directory_entry {
  std::string address; ///< where its connection comes from
  result<node_report> report = node_report{};
};

class node_directory {
public:
  node_directory() = default;
  node_directory(const node_directory&) = delete;
  node_directory& operator=(const node_directory&) = delete;
  virtual ~node_directory() = default;

  /// Names of the nodes that are connected.
  [[nodiscard]] virtual std::vector<std::string> names() = 0;
  /// Names of nodes that offer memory and own nothing yet.
  [[nodiscard]] virtual std::vector<std::string> offers() = 0;

  /// The status of every connected node, by name.
  [[nodiscard]] virtual result<std::vector<directory_entry>> query_all(unsigned pings,
                                                                       time_limit until) = 0;
  /// The status of one node. `unavailable` if it is not connected.
  [[nodiscard]] virtual result<node_report> query(const std::string& node, time_limit until) = 0;
  /// Tells one node to drain or to restart, and returns its answer when that is done.
  [[nodiscard]] virtual result<std::string>
  control(const std::string& node, schema::control_action action, time_limit until) = 0;
};

} // namespace larql::actors
