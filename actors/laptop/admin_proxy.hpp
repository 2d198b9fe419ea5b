// An operator's connection on a laptop that runs a model (`larql status`, `drain` and `restart`
// beside it): forwards requests to the nodes that announced themselves to this laptop, over the
// connections that these nodes opened, and the answers back.
//
// Owner     The network thread keeps it alive; it ends with its connection, with the supervisor
//           (which it monitors), or after max_duration.
// Blocking  Never: runs on the network thread.
// Failure   A request that cannot be forwarded, or is not answered, is answered with `refused`. A
//           frame that is no request closes this connection and nothing else, as do too many
//           requests at once and answers that are not read.
// Security  A node sees the laptop's certificate, not the operator's. So orders are forwarded only
//           for a peer from which the node would take them itself, and only by a laptop that may
//           give them.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/net/caf_connection.hpp"
#include "actors/net/frame_reader.hpp"
#include "actors/net/peer_identity.hpp"
#include "actors/net/reading_watch.hpp"

#include <atomic>
#include <chrono>
#include <memory>

namespace larql::actors {

struct admin_connection {
  pending_connection connection; ///< after the handshake
  std::string peer;              ///< address, for messages
  peer_identity who;
  peer_identity laptop; ///< as nodes see this laptop
  supervisor_actor supervisor;
  /// Number of operators' connections on this laptop; counted down when this one ends.
  std::shared_ptr<std::atomic<unsigned>> connections = std::make_shared<std::atomic<unsigned>>(1);
};

class admin_proxy_state {
public:
  using handle = admin_proxy_actor;
  using pointer = handle::broker_base*;
  static constexpr const char* name = "admin";

  /// Connections of operators with a laptop at the same time.
  static constexpr unsigned max_connections = 64;
  /// Longest time that a node may take to drain, as on the node (client_connection.hpp).
  static constexpr auto control_timeout = std::chrono::minutes{10};
  /// Longest time that a node may take to answer a request for its status.
  static constexpr auto status_timeout = std::chrono::seconds{10};
  static constexpr auto max_duration = std::chrono::minutes{11};
  /// Requests of one connection without an answer, and bytes of answers that its peer has not
  /// taken.
  static constexpr unsigned max_pending = 64;
  static constexpr std::size_t max_unsent_bytes = 1 << 20;

  admin_proxy_state(pointer self, admin_connection c);
  ~admin_proxy_state();

  handle::behavior_type make_behavior();

private:
  void on_data(caf::io::new_data_msg& m);
  void on_frame(const std::vector<char>& body);
  /// Why this order is not forwarded; empty if it is.
  [[nodiscard]] std::string objection(const schema::control& c) const;
  void forward_to_node(std::uint64_t node, schema::message request);
  void send_to(const node_link_actor& node, schema::message request);
  /// Answers a request that was forwarded.
  void answer(const schema::message& m);
  void send_message(const schema::message& m);
  void on_tick();
  void end();
  void end_because(const std::string& why);

  pointer self_;
  admin_connection admin_;
  broker_connection connection_;
  frame_reader reader_{schema::max_hello_bytes}; // requests are small
  reading_watch reading_;
  caf::actor_clock::time_point until_{};
  unsigned pending_ = 0;
  bool ended_ = false;
};

} // namespace larql::actors
