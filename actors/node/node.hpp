// The node: owns the shard and the laptops' connections of a daemon process, and starts the shard
// again when it fails.
//
// Owner     main() of larql-node.
// Blocking  Never.
// Failure   A shard that ends is started again with back-off and jitter, a bounded number of times
//           within a window; then the node is degraded: it stays up, says so, and takes no calls. A
//           connection that ends is forgotten. When the node exits, it closes everything it owns.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/node/client_connection.hpp"
#include "actors/policy/restart_budget.hpp"
#include "runtime/base/backoff.hpp"

#include <functional>
#include <optional>

namespace larql::actors {

struct node_options {
  /// Starts a shard.
  std::function<expert_shard_actor(caf::actor_system&)> start_shard;
  description_ptr description;
  session_desk_actor sessions = {};                       ///< null: the node takes none
  schema::node_state state = schema::node_state::serving; ///< loading: until a notice says serving
  /// Adds what the process knows: memory, load.
  std::function<void(schema::node_status&)> measure = [](schema::node_status&) {};
  /// Asks the process to start anew.
  std::function<void()> restart_node = [] {};
  /// Random numbers in [0, 1), for jitter.
  std::function<double()> uniform = [] { return 0.5; };
  std::shared_ptr<node_counters> counters = std::make_shared<node_counters>();
  std::shared_ptr<reach_book> reach = {};                              ///< of a relay
  std::chrono::milliseconds read_limit = reading_watch::default_limit; ///< of connections
  backoff restart_delay{std::chrono::milliseconds{50}, std::chrono::milliseconds{5000}};
  unsigned most_restarts = 10;
  std::chrono::milliseconds restart_window{60000};
};

class node_supervisor_state {
public:
  using handle = node_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "node";

  node_supervisor_state(pointer self, node_options options);
  ~node_supervisor_state();

  handle::behavior_type make_behavior();

private:
  void on_connect(const accepted_client_ptr& client);
  /// False if there is no place for this one.
  [[nodiscard]] bool make_room(const client_places::place& p, const std::string& peer);
  /// Comes back to it later, or turns it away.
  void put_off(const accepted_client_ptr& client);
  caf::result<void> on_drain();
  caf::result<bool> on_restart();
  caf::result<node_status_ptr> on_status();
  void on_down(const caf::down_msg& m);
  void give_memory_back_later();
  void on_shard_down(const caf::error& why);
  void start_shard();
  void set_state(schema::node_state state);
  void log_state(schema::node_state now, const char* before) const;

  pointer self_;
  node_options options_;
  schema::node_state state_;
  expert_shard_actor shard_; // null while it restarts
  bool asked_to_end_ = false;
  std::vector<caf::typed_response_promise<bool>> waiting_for_restart_;
  client_places connections_;
  std::uint32_t waiting_for_place_ = 0;
  std::size_t trims_ahead_ = 0; ///< messages on their way to this actor that memory be given back
  restart_budget budget_;
  unsigned attempt_ = 0;
  schema::node_status measured_; // nothing but what options_.measure() says
  std::optional<caf::actor_clock::time_point> measured_at_;
  caf::actor_clock::time_point started_{};
};

} // namespace larql::actors
