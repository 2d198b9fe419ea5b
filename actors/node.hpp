// The node: owns the shard and the laptops' connections of a daemon process.
//
// Owner     main() of larql-node.
// Blocking  Never.
// Failure   If the shard ends unexpectedly the node cannot serve; it says so through on_failure.
//           A connection that ends is forgotten. When the node exits, it closes everything it owns.

#pragma once

#include "actors/interfaces.hpp"
#include "actors/state_actor.hpp"

#include <functional>
#include <set>

namespace larql::actors {

class node_state {
public:
  using handle = node_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "node";

  /// Connections at the same time; further ones are closed.
  static constexpr std::size_t max_connections = 256;

  using failure_fn = std::function<void(const std::string&)>;

  node_state(pointer self, expert_shard_actor shard, description_ptr description,
             failure_fn on_failure);
  ~node_state();

  handle::behavior_type make_behavior();

private:
  void on_connect(int fd, const std::string& peer);
  caf::delegated<void> on_drain();
  void on_down(const caf::down_msg& m);

  pointer self_;
  expert_shard_actor shard_;
  description_ptr description_;
  failure_fn on_failure_;
  bool draining_ = false;
  std::set<caf::io::connection_handler> connections_;
};

} // namespace larql::actors
