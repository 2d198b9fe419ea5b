// Everything a node runs inside its process: shard, node, listener; what larql-node is without its
// command line.
//
// Owner     Its caller, who keeps the actor system, the bank and the pool alive longer.
// Threads   Methods may be called from one thread; the actors have their own.

#pragma once

#include "actors/net/listener.hpp"
#include "actors/node/client_connection.hpp"
#include "actors/node/node.hpp"
#include "actors/node/reach.hpp"
#include "actors/node/session_desk.hpp"
#include "runtime/experts/expert_bank.hpp"
#include "runtime/kernels/linear.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace larql::actors {

struct node_server_options {
  kernels::compute compute;
  const experts::expert_bank& bank;
  schema::node_description description; ///< with state loading, if ready() is to come later
  socket listening;                     ///< none: only connections that the node dials itself
  tls_context_ptr tls;
  listener_options listen;
  /// Sessions that the node holds for laptops; none: it takes none.
  std::optional<session_desk_options> sessions = {};
  std::function<void()> restart_node = [] {}; ///< from the network thread, after a drain
  /// How long peers may take to read their last answers when the node ends.
  std::chrono::milliseconds last_answers{5000};
  /// For calls that wait and answers that are not read, of all connections together.
  std::uint64_t buffer_bytes = memory_budget::default_bytes;
  /// A peer that takes nothing of its answers for this time is dropped.
  std::chrono::milliseconds read_limit = reading_watch::default_limit;
  /// Nodes whose experts this one answers for as well; none: it is no relay.
  std::optional<topology::cluster> reached = {};
  owned_digest_fn owned_digest = {}; ///< the node's digests, to compare with those of `reached`
  /// Called before each call is computed; tests make a shard fail with it.
  std::function<void()> before_call = [] {};
};

class node_server {
public:
  node_server(caf::actor_system& sys, node_server_options options);
  /// Waits until the peers have read their last answers, and hangs up on those that do not.
  ~node_server();
  node_server(const node_server&) = delete;
  node_server& operator=(const node_server&) = delete;

  [[nodiscard]] const schema::node_description& description() const noexcept {
    return *description_;
  }
  [[nodiscard]] const node_counters& counters() const noexcept { return *counters_; }
  /// Those that this process dialled itself belong there, too.
  [[nodiscard]] const std::shared_ptr<open_connections>& connections() const noexcept {
    return connections_;
  }

  /// The experts answered as the vindex says; or it does not say, and this is the digest of what
  /// they answered. Call before ready().
  void set_answers(const std::optional<schema::fingerprint>& own);

  /// The digest of the owned experts' weights has become known. Once, from any thread.
  void set_owned_digest(const schema::fingerprint& digest) { counters_->set_owned_digest(digest); }

  /// The pages are read: calls may come. Fails if the node's actor is gone or does not answer.
  [[nodiscard]] result<void> ready();

  /// Asks the node's actor for its state. errc::deadline if it does not answer in time,
  /// errc::unavailable if it is gone.
  [[nodiscard]] result<schema::node_state> ask(std::chrono::seconds limit) const;

  /// Takes over a connection that this process dialled and greeted.
  void adopt(accepted_client_ptr client);

  /// For connections that are accepted from now on. From any thread that may stop listening.
  void use_tls(tls_context_ptr tls);

  /// Accepts no connections any more.
  void stop_listening();

  /// Takes no calls any more and waits until those accepted are answered; false at the deadline.
  [[nodiscard]] bool drain(std::chrono::seconds limit);

  [[nodiscard]] result<schema::node_status> status(std::chrono::seconds limit) const;

  /// The same without asking the actor, from any thread: a thread that has once used an actor of a
  /// system keeps that system from ending before the thread does.
  [[nodiscard]] schema::node_status observe() const;

private:
  caf::actor_system& sys_;
  const experts::expert_bank& bank_;
  std::chrono::milliseconds last_answers_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  description_ptr description_;
  std::shared_ptr<node_counters> counters_;
  std::shared_ptr<open_connections> connections_ = std::make_shared<open_connections>();
  std::unique_ptr<reach> reach_; // null: no relay
  node_actor node_;
  session_desk_actor sessions_; // null: the node takes none
  std::unique_ptr<listener> listener_;
};

/// Fills in what this process knows of itself: memory and load.
void measure_process(const experts::expert_bank& bank, schema::node_status& out);

} // namespace larql::actors
