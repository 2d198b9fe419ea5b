// A session service whose passes are computed at a node: it takes the messages of the session
// service, so that no front end can tell, and has them answered by a session at the first place
// that takes one.
//
//   opening ── opened ──► live ── connection lost ──► away ── resumed ──► live
//      ▲                    │                           │
//      └── the next place ──┴─── node lost or leaving ──┘      no place left: this process's own
//
// Owner     remote_sessions.hpp.
// Blocking  Never: runs on the network thread. Callbacks of clients run there as well.
// Failure   A lost connection is made again, and the session goes on at the next event, as long as
//           the node keeps it. A node that is lost, leaves, or sends what makes no sense is left:
//           answers go on at the next place with the tokens they have, then by this process itself,
//           if it can; else they end with an error that says what was tried. Requests that come
//           then begin at the first place again.

#pragma once

#include "actors/calls/connector.hpp"
#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/laptop/remote_request.hpp"
#include "actors/net/caf_connection.hpp"
#include "actors/net/frame_reader.hpp"
#include "actors/session/session_client.hpp"
#include "runtime/base/backoff.hpp"

#include <deque>
#include <functional>
#include <map>
#include <optional>

namespace larql::actors {

/// The session service of this process, once it was needed.
struct own_service {
  session_actor service; ///< null: it could not be started
  std::optional<failure> failed;
};

/// An event of that service.
struct place_event {
  std::uint64_t number = 0; ///< of remote_request::requests()
  session_event event;
};

struct remote_session_options {
  std::vector<topology::shard_url> places; ///< nodes, best first
  schema::session_open identity;           ///< what this side would compute with
  session_limits limits;                   ///< the context and answers of a node may be fewer

  /// Dials a place; the outcome comes as dialled_atom with this number.
  std::function<void(std::uint64_t, const topology::shard_url&)> dial;
  /// Starts this process's own service elsewhere; the outcome comes as start_atom. Null: it has
  /// none.
  std::function<void()> start_own;
  /// What people should know, in sentences. Never prompts or text.
  std::function<void(const std::string&)> on_news = [](const std::string&) {};
  std::function<double()> uniform = [] { return 0.5; };

  std::chrono::milliseconds heartbeat{1000};
  unsigned misses = 5;
  std::chrono::milliseconds refused_patience{5000}; ///< with a node whose address refuses
  std::chrono::milliseconds admission{45'000};      ///< most that a request waits for a place
  backoff retry{std::chrono::milliseconds{100}, std::chrono::milliseconds{2000}};
};

class remote_session_state {
public:
  using handle = remote_session_actor;
  using pointer = handle::broker_base*;
  static constexpr const char* name = "remote-session";

  remote_session_state(pointer self, remote_session_options options);
  ~remote_session_state();

  handle::behavior_type make_behavior();

private:
  using time = caf::actor_clock::time_point;
  enum class phase : std::uint8_t {
    resting, ///< nobody asked, or all places were tried
    opening,
    live,
    away, ///< the connection is lost, the session may not be
    own   ///< this process computes
  };
  struct live {
    remote_request request;
    caf::typed_response_promise<session_reply_ptr> promise; ///< until it is admitted
    time came;
    bool sent = false;
    bool is_refused = false;
    session_id conversation = 0;
  };
  struct conversation {
    std::string client;
    std::vector<std::uint32_t> tokens;
    session_request_id busy = 0;
  };
  using live_ptr = std::map<session_request_id, live>::iterator;

  // What clients ask: remote_session.cpp
  caf::result<session_reply_ptr> on_start();
  session_reply_ptr on_open(const std::string& client);
  caf::result<session_reply_ptr> on_request(const session_call_ptr& call);
  [[nodiscard]] std::optional<refusal> refuse(const session_request& r) const;
  [[nodiscard]] std::vector<std::uint32_t> prompt_of(session_request& r) const;
  void on_cancel(session_request_id id);
  void on_pause(session_request_id id, bool paused);
  void on_close(session_id id);
  session_status_ptr on_status() const;
  caf::result<bool> on_drain(std::chrono::milliseconds deadline);
  void begin_waiting();
  void send_request(live& l);
  void admit(live& l);
  void refuse_live(live& l, refusal why);
  void drop_ended();
  void end_cancelled();
  void forget(live_ptr l);
  void fail_all(const failure& why);
  [[nodiscard]] std::uint32_t open_answers(bool sent_only) const;
  [[nodiscard]] live* find_part(std::uint64_t number);

  // What places say: remote_session_place.cpp
  void begin_round(std::size_t place);
  void go_to(std::size_t place);
  void next_place(const std::string& why);
  void wait_here();
  void end_round();
  void took_place(const std::string& where);
  void use_own();
  void on_own(const own_service_ptr& own);
  void on_own_event(place_event& e);
  void ask_own(live& l);

  // The connection: remote_session_link.cpp
  void dial();
  void dial_later();
  void on_dialled(std::uint64_t attempt, const connect_result_ptr& outcome);
  void on_undialled(const failure& why);
  void on_data(caf::io::new_data_msg& m);
  void on_frame(const shared_buffer& body);
  void on_session(schema::session_message& m);
  void on_opened(const schema::session_opened& o, const std::optional<schema::session_key>& id);
  void on_session_closed(const schema::session_closed& c);
  [[nodiscard]] result<void> on_event(schema::session_event& e);
  void acknowledge();
  void order(decltype(schema::session_order::what) what);
  void drop_orders();
  void send(const schema::message& m);
  void lose_link(const std::string& why);
  void hang_up();
  void on_tick();
  void tick_later(std::chrono::milliseconds in);

  [[nodiscard]] time now() const;
  [[nodiscard]] std::string place_name() const;

  pointer self_;
  remote_session_options options_;
  phase phase_ = phase::resting;
  bool ending_ = false;

  // Requests and conversations.
  std::map<session_request_id, live> live_;
  std::map<session_id, conversation> conversations_;
  std::uint64_t next_id_ = 1;
  std::uint64_t next_number_ = 1;
  std::vector<caf::typed_response_promise<session_reply_ptr>> starting_;
  std::vector<caf::typed_response_promise<bool>> draining_;
  std::optional<time> cut_at_;
  session_status counts_;

  // Places.
  std::size_t place_ = 0;
  std::size_t untried_ = 0; ///< in this round
  std::string tried_;       ///< what came of the places of this round
  bool was_live_ = false;
  session_actor own_;
  bool is_starting_own_ = false;
  std::map<std::uint64_t, session_request_id> own_requests_; ///< by number

  // The session there, and the connection to it.
  std::optional<schema::session_key> session_;
  std::uint64_t incarnation_ = 0;
  std::string node_;
  session_limits offered_;
  std::uint64_t last_event_ = 0, acknowledged_ = 0;
  std::uint64_t last_order_ = 0;
  std::deque<std::pair<std::uint64_t, std::vector<char>>> orders_; ///< the node may not have
  std::optional<broker_connection> connection_;
  frame_reader reader_;
  std::uint64_t attempt_ = 0; ///< of dialling; another one's outcome means nothing
  unsigned retries_ = 0;
  std::optional<time> dial_at_;
  time lost_{}, opened_at_{};
  std::chrono::milliseconds kept_{0};
  bool was_refused_ = false; ///< all attempts since the connection was lost
  time heard_{}, ticked_{};
  std::uint64_t nonce_ = 0;
};

} // namespace larql::actors
