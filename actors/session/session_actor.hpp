// The actor of the session service: admits requests or refuses them, passes on what their clients
// say afterwards, and watches the time that pauses and draining may take. It never computes.
//
// Owner     The service (session_service.hpp).
// Blocking  Never.
// Failure   When it ends, everything that was admitted is cancelled.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/session/admission.hpp"
#include "actors/session/pass_thread.hpp"

#include <map>
#include <optional>

namespace larql::actors {

struct session_actor_options {
  session_limits limits;
  vindex::model_config model;
  gemma4::kv_format kv = gemma4::kv_format::f16;
  std::uint32_t chunk = 256;
};

class session_actor_state {
public:
  using handle = session_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "session-service";

  session_actor_state(pointer self, std::shared_ptr<pass_thread> passes,
                      session_actor_options options)
      : self_(self), passes_(std::move(passes)), options_(std::move(options)) {}
  ~session_actor_state();

  handle::behavior_type make_behavior();

private:
  using clock = caf::actor_clock::clock_type;

  struct live {
    live_request_ptr request;
    std::optional<clock::time_point> paused_since;
  };
  struct open_session {
    std::string client;
    session_request_id busy = 0; ///< a request of it that has not ended
  };

  session_reply_ptr on_open(const std::string& client);
  session_reply_ptr on_request(const session_call_ptr& call);
  void on_cancel(session_request_id id);
  void on_pause(session_request_id id);
  void on_resume(session_request_id id);
  void on_close(session_id id);
  session_status_ptr on_status() const;
  caf::result<bool> on_drain(std::chrono::milliseconds deadline);
  void on_ended(session_request_id id);
  void on_tick();

  [[nodiscard]] std::optional<refusal> refuse(const session_request& r) const;
  [[nodiscard]] admission_state state() const;
  session_reply_ptr reply(refusal why);
  void stop(live& l);

  pointer self_;
  std::shared_ptr<pass_thread> passes_;
  session_actor_options options_;
  std::map<session_request_id, live> live_;
  std::map<session_id, open_session> sessions_;
  std::uint64_t next_id_ = 1;
  std::uint32_t open_answers_ = 0;
  std::uint64_t refused_ = 0;
  std::chrono::duration<double> usual_answer_{1};
  bool ending_ = false;
  std::optional<clock::time_point> cut_at_; ///< what still runs
  std::vector<caf::typed_response_promise<bool>> draining_;
};

} // namespace larql::actors
