// A laptop's connection on the node: hands its calls to the shard and writes the answers back, and
// passes what an operator asks to the node.
//
// Owner     The node, which spawns one per connection; it ends with the connection.
// Blocking  Never: runs on the network thread.
// Order     Answers in the order in which they are computed, but pieces of long ones let others
//           pass.
// Failure   A frame that is no message for a node closes this connection and nothing else. Calls
//           beyond the window are answered with `overloaded`. When the peer goes away, its answers
//           and the calls that were not begun are dropped. What waits is counted in the budget of
//           the process: a call or an answer that finds no place in it becomes `overloaded`. A peer
//           that does not read its answers for 30 s is closed. What a peer's role does not allow is
//           answered with a refusal. A call that a relay would need others for, beyond the credits
//           that the peer was told, is overloaded.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/core/memory_budget.hpp"
#include "actors/core/pooled_message.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/net/caf_connection.hpp"
#include "actors/net/frame_reader.hpp"
#include "actors/net/peer_identity.hpp"
#include "actors/net/reading_watch.hpp"
#include "actors/node/client_places.hpp"
#include "actors/node/node_counters.hpp"
#include "actors/node/reach.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace larql::actors {

/// A connection that has been greeted, on its way to the node.
struct accepted_client {
  pending_connection connection;
  std::string peer; ///< address, for messages
  peer_identity identity;
  schema::hello hello;
  std::function<void()> on_end = [] {}; ///< when the connection is over
  std::shared_ptr<client_activity> activity = std::make_shared<client_activity>();
  std::chrono::milliseconds waited{0}; ///< for a place, so far

  accepted_client() = default;
  accepted_client(const accepted_client&) = delete;
  accepted_client& operator=(const accepted_client&) = delete;
  ~accepted_client() { on_end(); }
};

class client_connection_state {
public:
  using handle = client_actor;
  using pointer = handle::broker_base*;
  static constexpr const char* name = "client-connection";

  /// Calls of one connection that may wait at the same time.
  static constexpr std::uint32_t window = schema::call_window;
  /// Messages of sessions that the desk may not have seen yet.
  static constexpr std::uint32_t most_session_messages = 64;
  /// Requests for status and orders that may wait at the same time.
  static constexpr std::uint32_t most_requests = 16;
  /// Bytes of calls that may wait, and of answers that the peer has not taken. A laptop has a call
  /// or two in flight; these only bound what a broken or hostile one can pile up.
  static constexpr std::size_t max_waiting_bytes = std::size_t{schema::max_frame_bytes} / 2 * 3;
  static constexpr std::size_t max_unsent_bytes = std::size_t{schema::max_frame_bytes} / 2 * 3;
  /// Longest time a call may take at the shard, queueing included.
  static constexpr auto call_timeout = std::chrono::minutes{5};
  /// Longest time that draining or restarting may take.
  static constexpr auto control_timeout = std::chrono::minutes{10};

  /// What the connection knows of its node.
  struct context {
    node_actor node;
    expert_shard_actor shard;         ///< null while it restarts
    session_desk_actor sessions = {}; ///< null: the node takes none
    description_ptr description;
    schema::node_state state = schema::node_state::serving;
    std::function<void()> restart_node; ///< asks the process to start anew
    std::shared_ptr<node_counters> counters = std::make_shared<node_counters>();
    /// A peer that takes nothing of its answers for this time is dropped.
    std::chrono::milliseconds read_limit = reading_watch::default_limit;
    std::shared_ptr<reach_book> reach = {}; ///< null: the node is no relay
  };

  client_connection_state(pointer self, accepted_client_ptr client, context node);
  ~client_connection_state();

  handle::behavior_type make_behavior();

  /// Memory, most likely. What the peer has not read is dropped, or it would hold more of it.
  void on_exception() noexcept { connection_.hang_up(); }

private:
  void on_data(caf::io::new_data_msg& m);
  void on_frame(shared_buffer body);
  void on_call(const schema::expert_call& call, shared_buffer body);
  void refuse_call(std::uint64_t id, failure_code code, const std::string& text);
  void on_ask_status(std::uint64_t nonce);
  void on_control(const schema::control& c);
  void on_session(schema::session_message m, std::size_t bytes);
  void on_answer(const encoded_frame& answer);
  void on_state(schema::node_state state);
  void send_pieces();
  void on_error(const caf::error& err);
  void on_tick();
  void wake_by(caf::actor_clock::time_point t);
  [[nodiscard]] std::size_t unsent();
  /// Takes from the budget what this connection holds, with so many bytes more.
  [[nodiscard]] bool hold(std::size_t more = 0);
  /// The same for an answer, which may take more than the share of one if nothing else waits.
  [[nodiscard]] bool hold_answer(std::size_t bytes);
  [[nodiscard]] std::string what_is_held() const;
  /// Why there is no room for what comes or goes: the peer's own doing, or everybody's.
  [[nodiscard]] std::string why_full();
  void send_message(const schema::message& m);
  void send(std::vector<char>& frame);
  void write(std::vector<char>& frame);
  void after_writing();
  void send_failure(std::uint64_t id, failure_code code, const std::string& text);
  void drop(const std::string& why);

  pointer self_;
  accepted_client_ptr client_;
  context node_;
  broker_connection connection_;
  frame_reader reader_;
  buffer_pool own_frames_;
  std::uint32_t waiting_ = 0;
  std::uint32_t requests_ = 0;         // to the node, without an answer
  std::uint32_t session_messages_ = 0; // to the desk, without an answer
  std::size_t waiting_bytes_ = 0;
  std::uint64_t served_ = 0;

  // Calls at the shard, in the order they came. Their deadline is kept here: CAF would keep the
  // timeout of every call, answered or not, until it passes, which is most of a node's memory.
  struct pending_call {
    caf::message_id reply; // the answer's
    std::uint64_t id;      // the laptop's
    std::uint32_t layer;
    std::size_t bytes;
    bool needs_others; // and has one of the connection's credits
    std::chrono::steady_clock::time_point arrived;
    caf::actor_clock::time_point until;
  };
  std::vector<pending_call> calls_;
  /// None if the call has been answered already.
  [[nodiscard]] std::optional<pending_call> finish_call(caf::message_id reply);

  // Answers in pieces, of which one at a time is given to the connection: whatever else is to be
  // said goes before the next one.
  struct long_answer {
    shared_buffer frames;
    std::size_t begun = 0; // bytes given to the connection
  };
  std::deque<long_answer> long_answers_;
  std::size_t long_bytes_ = 0; // that are still here

  std::unique_ptr<reach_book::share> credits_; // null: none are given
  std::optional<caf::actor_clock::time_point> next_tick_;
  budget_share held_;
  reading_watch reading_;
  caf::behavior replies_; // of all calls
  message_pool<caf::atom_value, received_call> messages_;
  std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
};

} // namespace larql::actors
