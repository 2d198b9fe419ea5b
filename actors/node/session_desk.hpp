// The session desk of a node: opens sessions for laptops, hands their requests to the session
// service of this process, and their events to the connection that the laptop has now.
//
// Owner     The node. Runs in a thread of its own: rules of answers are compiled here.
// Blocking  Never for another actor's sake.
// Failure   A connection that is lost leaves its session as it was for `kept`: it computes on,
//           up to what event_log keeps. A message that makes no sense closes the session it belongs
//           to. A session service that cannot be started refuses the sessions that wait for it, and
//           is tried again for the next one.
// Bounds    desk_limits. Whoever is beyond one is told which.
// Privacy   Tokens and text are in no log; what a session held is overwritten when it is closed.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/node/node_counters.hpp"
#include "actors/node/placed_session.hpp"
#include "actors/session/placed_form.hpp"
#include "actors/session/session_call.hpp"
#include "runtime/models/gemma4/kv_cache.hpp"
#include "runtime/vindex/index_json.hpp"

#include <functional>

namespace larql::actors {

/// What computes: a session service of this process, and what its clients need.
struct session_host {
  session_actor service; ///< null: it could not be started
  std::optional<failure> failed;
  const text::tokenizer* tokens = nullptr;
  std::function<std::shared_ptr<grammar::constraint_engine>()> new_engine;
  schema::session_open identity; ///< what this side computes with
  vindex::model_config model;
  gemma4::kv_format kv = gemma4::kv_format::f16;
  std::uint32_t chunk = 256;
  std::uint32_t context = 0;  ///< of a prompt and its answer
  std::uint64_t kv_bytes = 0; ///< of keys and values, of each laptop
};

struct desk_limits {
  std::uint32_t sessions = 4;             ///< at the same time
  std::uint32_t sequences = 8;            ///< answers of a session at the same time
  std::chrono::milliseconds kept{60'000}; ///< a session lives so long without a connection
  std::chrono::minutes idle{30};          ///< and so long without a request
};

struct session_desk_options {
  desk_limits limits;
  /// Starts the service, in a thread of its own: blocking.
  std::function<session_host_ptr()> start;
  /// Runs something in another thread.
  std::function<void(std::function<void()>)> elsewhere;
  std::function<schema::session_key()> random_id;
  std::shared_ptr<node_counters> counters = std::make_shared<node_counters>();
};

/// A message of a laptop on its way from its connection.
struct placed_message {
  client_actor from;
  peer_identity who;
  std::string peer;
  schema::session_message what;
};

/// An event of a request on its way from the pass thread.
struct placed_event {
  schema::session_key session{};
  std::uint64_t request = 0;
  session_event event;
};

class session_desk_state {
public:
  using handle = session_desk_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "session-desk";

  session_desk_state(pointer self, session_desk_options options);
  ~session_desk_state();

  handle::behavior_type make_behavior();

private:
  using time = placed_session::time;
  using sessions = std::map<schema::session_key, placed_session>;

  [[nodiscard]] bool on_message(placed_message& m);
  void on_open(const placed_message_ptr& asked);
  void open(const placed_message& m);
  [[nodiscard]] bool make_room();
  [[nodiscard]] bool has_share(const peer_identity& who);
  [[nodiscard]] bool on_resume(const placed_message& m, std::uint64_t received);
  void link(placed_session& s, const client_actor& to);
  [[nodiscard]] bool on_order(placed_session& s, schema::session_order& order);
  void on_ask(placed_session& s, schema::session_ask& ask);
  [[nodiscard]] std::optional<refusal> admit(const placed_session& s,
                                             const schema::session_ask& ask) const;
  [[nodiscard]] result<session_request> request_of(placed_session& s, schema::session_ask& ask,
                                                   placed_request& to);
  void ask_service(placed_session& s, std::uint64_t id, session_request request);
  void on_reply(const schema::session_key& session, std::uint64_t id, const session_reply& reply);
  void cancel(placed_request& r);
  void on_event(placed_event& e);
  void on_end(placed_session& s, placed_request& r, std::uint64_t id, answer_end& e);
  void emit(placed_session& s, std::uint64_t request, decltype(schema::session_event::what) what);
  void keep_pace(placed_session& s);
  void keep_memory(placed_session& s);
  [[nodiscard]] std::uint64_t kv_bytes(std::uint64_t tokens) const;
  [[nodiscard]] std::uint64_t kv_bytes_of(const placed_session& s) const;
  void on_host(const session_host_ptr& host);
  void on_state(schema::node_state state);
  void on_down(const caf::down_msg& m);
  void on_tick();
  void tick_later();
  void close(sessions::iterator s, schema::session_end code, const std::string& why);
  void answer(const client_actor& to, const schema::session_message& m);
  void turn_away(const client_actor& to, const std::optional<schema::session_key>& id,
                 schema::session_end code, std::string why);

  pointer self_;
  session_desk_options options_;
  session_host_ptr host_; // null until a session was asked for
  bool is_starting_ = false;
  bool is_leaving_ = false;
  std::vector<placed_message_ptr> waiting_; // to be opened, for the host
  sessions sessions_;
  bool ticks_ = false;
};

} // namespace larql::actors
