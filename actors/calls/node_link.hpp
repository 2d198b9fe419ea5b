// The connection to an expert node, at the side that calls. Turns calls into frames and frames into
// answers, asks for signs of life, and forwards operators' requests to the node.
//
// Owner     The supervisor. Ends when the connection ends.
// Blocking  Never: runs on the network thread.
// Failure   When the connection is lost, every call in flight fails at once with link_lost. A node
//           that gives no sign of life for several heartbeats counts as lost; one missed answer
//           does not, and neither does time in which this process was stopped itself. A frame that
//           is no message of a node, or a piece of an answer out of order, closes the connection.
//           Answers that nobody waits for, or of another incarnation, are dropped.

#pragma once

#include "actors/calls/partial_result.hpp"
#include "actors/core/errc.hpp"
#include "actors/core/interfaces.hpp"
#include "actors/core/pooled_message.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/net/caf_connection.hpp"
#include "actors/net/frame_reader.hpp"
#include "actors/net/model_match.hpp"
#include "actors/policy/call_timing.hpp"

#include <map>
#include <memory>
#include <vector>

namespace larql::actors {

struct link_options {
  std::chrono::milliseconds heartbeat{1000}; ///< zero: none
  unsigned misses = 5;
  supervisor_actor supervisor; ///< is told when the node's state or reach changes; may be null
  /// The own digests of experts, to compare with those that the node gets to know while it
  /// serves; may be null.
  owned_digest_fn owned_digest = {};
};

class node_link_state {
public:
  using handle = node_link_actor::extend_with<caf::io::connection_handler>;
  using pointer = handle::broker_base*;
  static constexpr const char* name = "node-link";

  /// `connection` has been greeted; `peer` is what the node said it is.
  node_link_state(pointer self, pending_connection connection, description_ptr peer,
                  std::string address, link_options options);
  ~node_link_state();

  handle::behavior_type make_behavior();

private:
  caf::result<received_result> on_run(const outgoing_call& call);
  caf::result<admin_message_ptr> on_admin_request(const admin_message_ptr& request);
  void on_data(caf::io::new_data_msg& m);
  void on_frame(shared_buffer body);
  void on_result(const schema::expert_result& r, shared_buffer body);
  void on_closed();
  void lose(const std::string& why);
  void fail_all(const std::string& why);
  void fail_call(std::uint64_t id, failure_code code, const std::string& text);
  void on_tick();
  void ping();
  void on_pong(const schema::pong& p);
  /// True if `m` answers an operator's request.
  [[nodiscard]] bool answers_admin_request(schema::message& m);

  // A decoded layer has one call in flight per node, so the list is short; the newest is last.
  struct waiting_call {
    std::uint64_t id;
    caf::typed_response_promise<received_result> promise;
    std::unique_ptr<partial_result> pieces; // that have come; null: none
  };
  std::vector<waiting_call>::iterator find(std::uint64_t id);

  using time = caf::actor_clock::time_point;

  pointer self_;
  pending_connection pending_;
  description_ptr peer_;
  std::string address_;
  link_options options_;
  broker_connection connection_;
  frame_reader reader_;
  std::map<std::uint64_t, caf::typed_response_promise<admin_message_ptr>> admin_requests_;
  std::uint64_t next_admin_id_ = std::uint64_t{1} << 63; // apart from the nonces of heartbeats
  std::vector<waiting_call> waiting_;
  message_pool<received_result> answers_;
  shard_status status_;
  schema::node_state state_;
  schema::reach reached_;
  time heard_{};              // when the last frame came
  time asked_{};              // when the last ping was sent
  time ticked_{};             // when the last tick came
  std::uint64_t nonce_ = 0;   // of the last ping
  recent_values round_trips_; // of pings, in microseconds
};

} // namespace larql::actors
