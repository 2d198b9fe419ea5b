// The supervisor: finds the nodes of a cluster, connects to them, watches the connections, comes
// back to lost ones with back-off, and tells the router who is there.
//
//     addresses (dial_targets.hpp)          members of the view
//     ────────────────────────────          ───────────────────
//     static list ─┐
//     DNS names ───┼─ dial ─► greeted ─► check ─► admit ─► serving ◄─► draining, degraded
//     announced ───┘ (join)               │                  │ connection lost, or restarted
//                                         ▼                  ▼
//                                     refused, with      removed; dialled again
//                                     the reason         after a back-off
//
// A node is who it says it is: name and incarnation. A name is in the view once. When somebody
// announces himself under a name that is taken, its holder is asked for a sign of life: who still
// answers keeps the name, and the second is refused with the reason; who does not has died, and the
// second is the same node, started again. What the view shows is what a call would reach.
//
// Owner     On the laptop its guard, which replaces a supervisor that fails (laptop_guard.hpp).
// Blocking  Never: dialling and resolving happen elsewhere (connector.hpp).
// Failure   A target that cannot be reached, or is not what is needed, is tried again for as long
//           as the supervisor lives; its last error is part of every report.

#pragma once

#include "actors/calls/connector.hpp"
#include "actors/calls/dial_targets.hpp"
#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/net/model_match.hpp"
#include "runtime/base/backoff.hpp"
#include "runtime/experts/maker_ledger.hpp"
#include "runtime/topology/topology.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace larql::actors {

struct supervisor_options {
  topology::cluster cluster;
  schema::model_identity model;
  connect_functions network;
  /// Makes a connection an actor that answers as the node's shard.
  std::function<node_link_actor(caf::actor_system&, connect_result&, const supervisor_actor&)> link;
  router_actor router; ///< is sent every view
  /// Nodes that are condemned in it are not admitted.
  std::shared_ptr<const experts::maker_ledger> makers = std::make_shared<experts::maker_ledger>();
  /// The own digests of experts, to compare with a node's; may be null.
  owned_digest_fn owned_digest = {};
  std::string place = "on the laptop"; ///< where the own model is, for messages
  /// Called in the supervisor's thread with every change.
  std::function<void(const cluster_status_ptr&)> on_change = [](const cluster_status_ptr&) {};
  std::function<double()> uniform = [] { return 0.5; }; ///< random numbers in [0, 1), for jitter
};

class supervisor_state {
public:
  using handle = supervisor_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "supervisor";

  supervisor_state(pointer self, supervisor_options options);
  ~supervisor_state();

  handle::behavior_type make_behavior();

private:
  using time = caf::actor_clock::time_point;

  struct member {
    description_ptr description;
    std::string address;
    node_link_actor shard;
    schema::node_state state;
    std::uint64_t target = 0; ///< 0: the node announced itself
  };

  struct promise {
    std::string node; // the node that is to load the range
    experts::ownership owned;
    time until;
  };

  void on_start();
  void on_dialled(std::uint64_t id, const connect_result_ptr& outcome);
  void on_found(const std::string& name, const address_list_ptr& addresses);
  caf::result<accepted_ptr> on_announce(const announce_ptr& node);
  caf::result<accepted_ptr> ask_holder(const member& holder, const announce_ptr& node);
  [[nodiscard]] accepted_ptr placement_of(const schema::announce& node);
  void on_joined(const connect_result_ptr& outcome);
  void on_notice(std::uint64_t incarnation, schema::node_state state);
  void on_reach(std::uint64_t incarnation, const reach_ptr& reached);
  void on_condemned(std::uint64_t incarnation, const std::string& why);
  void on_down(const caf::down_msg& m);

  [[nodiscard]] const member* holder_of(const schema::node_description& node) const;
  void dial(std::uint64_t id);
  void failed(std::uint64_t id, dial_target& t, const failure& why);
  [[nodiscard]] result<void> check(const schema::node_description& node,
                                   const dial_target* t) const;
  [[nodiscard]] result<void> admit(const connect_result_ptr& outcome, std::uint64_t target);
  void remove(std::uint64_t incarnation, const std::string& why);
  void publish();
  [[nodiscard]] cluster_status_ptr status() const;

  pointer self_;
  supervisor_options options_;
  dial_targets targets_;
  std::map<std::uint64_t, member> members_; // by incarnation
  std::vector<promise> promises_;           // ranges that nodes were told to load
  std::vector<std::optional<quant::activation_format>> formats_; // per layer, as first seen
  cluster_view_ptr view_ = std::make_shared<cluster_view>();
};

} // namespace larql::actors
