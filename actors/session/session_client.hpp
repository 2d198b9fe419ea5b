// How a front end speaks with the session service: in this process by the actor's handle, and in no
// other way. All front ends use this class and differ only in transport.
//
//     auto client = session_client{service.handle()};
//     auto got = client.generate(std::move(request), [](session_event e) { ... });
//     if (got.refused) ...                     // a bound, with the number that was exceeded
//     got.answer.pause();                      // its reader is slow
//     // dropping got.answer cancels what has not ended
//
// Blocking  Calls wait for the service's actor, which never computes: microseconds. They must not
//           be made from an event callback or another actor; those of answer_handle may.
// Threads   Any thread may use a client, and several at once.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/session/events.hpp"
#include "actors/session/limits.hpp"
#include "actors/session/request.hpp"
#include "actors/session/status.hpp"

#include <chrono>
#include <memory>
#include <optional>

namespace larql::actors {

/// The right to a request's answers. A value that can be moved; dropping it cancels the request.
class answer_handle {
public:
  answer_handle() = default;
  answer_handle(session_actor service, session_request_id id)
      : service_(std::move(service)), id_(id) {}
  answer_handle(answer_handle&& other) noexcept
      : service_(std::move(other.service_)), id_(std::exchange(other.id_, 0)) {}
  answer_handle& operator=(answer_handle&& other) noexcept;
  ~answer_handle() { cancel(); }

  [[nodiscard]] session_request_id id() const noexcept { return id_; }

  /// Ends the request's answers soon, from the next layer on, with reason `stopped`; a request that
  /// has ended is not harmed. What was computed stays in the prefix cache.
  void cancel();
  /// No further tokens are chosen until resume(). A pause beyond session_limits::longest_pause
  /// cancels.
  void pause();
  void resume();
  /// Lets the request go on without a handle.
  void detach() noexcept { id_ = 0; }

private:
  session_actor service_;
  session_request_id id_ = 0;
};

/// What became of a request.
struct admission {
  std::optional<refusal> refused;
  answer_handle answer; ///< unless it was refused
};

/// What became of opening a session.
struct opened_session {
  std::optional<refusal> refused;
  session_id id = 0;
};

class session_client {
public:
  explicit session_client(caf::actor_system& sys, session_actor service)
      : sys_(sys), service_(std::move(service)) {}

  /// Admits a request or says which bound it would exceed. `on_event` may be called before this
  /// returns.
  [[nodiscard]] admission generate(session_request request, event_fn on_event) const;

  /// A session keeps its tokens, and their keys and values as far as memory allows, from request to
  /// request. Most front ends need none: they send whole prompts, which the prefix cache shortens.
  [[nodiscard]] opened_session open(std::string client) const;
  /// Reads tokens ahead.
  [[nodiscard]] admission append(session_request request, event_fn on_event) const;
  /// Cancels what runs in the session and forgets it.
  void close(session_id session) const;

  /// For actors, which ask it themselves.
  [[nodiscard]] const session_actor& service() const noexcept { return service_; }

  /// Null if the service has ended.
  [[nodiscard]] std::shared_ptr<const session_status> status() const;

  /// Admits nothing more; what runs ends by itself, or is cut with reason `stopped` after
  /// `deadline`. Returns once nothing runs.
  void drain(std::chrono::milliseconds deadline) const;

private:
  [[nodiscard]] admission ask(session_request request, event_fn on_event, bool append) const;

  caf::actor_system& sys_;
  session_actor service_;
};

} // namespace larql::actors
