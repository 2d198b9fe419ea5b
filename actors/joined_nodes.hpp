// The nodes that dial (larql-node --join), for commands that look at them or steer them: they have
// come to this program (announced_nodes.hpp), or to a laptop that passes questions on
// (laptop_nodes.hpp).
//
// Threads   Methods may be called from one thread.
// Blocking  ask(), inquire() and tell() until their deadline.

#pragma once

#include "actors/node_inquiry.hpp"

#include <string>
#include <vector>

namespace larql::actors {

struct announced_node {
  std::string address; ///< where its connection comes from
  result<node_report> report = node_report{};
};

class joined_nodes {
public:
  joined_nodes() = default;
  joined_nodes(const joined_nodes&) = delete;
  joined_nodes& operator=(const joined_nodes&) = delete;
  virtual ~joined_nodes() = default;

  /// Of those that are here.
  [[nodiscard]] virtual std::vector<std::string> names() = 0;
  /// Names of nodes that offer memory and own nothing yet.
  [[nodiscard]] virtual std::vector<std::string> offers() = 0;

  /// Asks all that are here how they are. By name.
  [[nodiscard]] virtual result<std::vector<announced_node>> ask(unsigned pings,
                                                                time_limit until) = 0;
  /// Asks one. `unavailable` if it is not here.
  [[nodiscard]] virtual result<node_report> inquire(const std::string& node, time_limit until) = 0;
  /// Tells one to drain or to restart, and returns what it says when it has.
  [[nodiscard]] virtual result<std::string>
  tell(const std::string& node, schema::control_action action, time_limit until) = 0;
};

} // namespace larql::actors
