// An operator's connection on a laptop that runs a model (`larql status`, `drain` and `restart`
// beside it): passes questions on to the nodes that announced themselves here, over the connections
// that these opened, and the answers back.
//
// Owner     Nobody; ends with its connection, with the supervisor, or after max_visit.
// Blocking  Never: runs on the network thread.
// Failure   What cannot be passed on, or is not answered, is answered with `refused`. A frame that
//           is no question closes this connection and nothing else.
// Security  A node sees the laptop's certificate, not the visitor's. So orders are passed on only
//           from whom the node would take them itself, and only by a laptop that may give them.

#pragma once

#include "actors/interfaces.hpp"
#include "actors/net/frame_reader.hpp"
#include "actors/net/peer_identity.hpp"
#include "actors/net/scribe.hpp"
#include "actors/state_actor.hpp"

#include <atomic>
#include <chrono>
#include <memory>

namespace larql::actors {

struct visit {
  transport connection; ///< greeted
  std::string peer;     ///< address, for messages
  peer_identity who;
  peer_identity laptop; ///< as nodes see this laptop
  supervisor_actor supervisor;
  /// Of this laptop's visitors, this one included; taken back when it ends.
  std::shared_ptr<std::atomic<unsigned>> visitors = std::make_shared<std::atomic<unsigned>>(1);
};

class visitor_state {
public:
  using handle = visitor_actor;
  using pointer = handle::broker_base*;
  static constexpr const char* name = "visitor";

  /// Visitors of a laptop at the same time.
  static constexpr unsigned max_visitors = 64;
  /// Longest time that a node may take to drain, as on the node (client_connection.hpp).
  static constexpr auto control_timeout = std::chrono::minutes{10};
  /// Longest time that it may take to say how it is.
  static constexpr auto status_timeout = std::chrono::seconds{10};
  static constexpr auto max_visit = std::chrono::minutes{11};

  visitor_state(pointer self, visit v);
  ~visitor_state();

  handle::behavior_type make_behavior();

private:
  void on_data(caf::io::new_data_msg& m);
  void on_frame(const std::vector<char>& body);
  /// Why this order is not passed on; empty if it is.
  [[nodiscard]] std::string objection(const schema::control& c) const;
  void pass_on(std::uint64_t node, schema::message question);
  void ask(const expert_shard_link& node, schema::message question);
  void send_message(const schema::message& m);
  void end();

  pointer self_;
  visit visit_;
  caf::io::connection_handle connection_;
  frame_reader reader_;
};

} // namespace larql::actors
