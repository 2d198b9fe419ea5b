#include "actors/session/session_client.hpp"

#include "actors/core/errc.hpp"
#include "actors/session/session_call.hpp"

namespace larql::actors {

namespace {

/// The actor answers at once; this only bounds what a bug could do.
constexpr auto longest_reply = std::chrono::minutes{1};

refusal service_is_gone(const caf::error& why) {
  return {refusal_kind::ending,
          fail(errc::unavailable, "the session service does not answer: {}", text_of(why))};
}

// Asks and waits; without an answer it is refused.
template <class... Ts>
session_reply ask_service(caf::actor_system& sys, const session_actor& service,
                          const Ts&... message) {
  auto out = session_reply{};
  auto self = caf::scoped_actor{sys};
  self->request(service, longest_reply, message...)
      .receive([&](const session_reply_ptr& r) { out = *r; },
               [&](const caf::error& e) { out.refused = service_is_gone(e); });
  return out;
}

} // namespace

// ---- handle -------------------------------------------------------------------------------------

answer_handle& answer_handle::operator=(answer_handle&& other) noexcept {
  if (this != &other) {
    cancel();
    service_ = std::move(other.service_);
    id_ = std::exchange(other.id_, 0);
  }
  return *this;
}

void answer_handle::cancel() {
  if (id_ != 0)
    caf::anon_send(service_, cancel_atom::value, id_);
  id_ = 0;
}

void answer_handle::pause() {
  if (id_ != 0)
    caf::anon_send(service_, pause_atom::value, id_);
}

void answer_handle::resume() {
  if (id_ != 0)
    caf::anon_send(service_, resume_atom::value, id_);
}

// ---- client -------------------------------------------------------------------------------------

admission session_client::generate(session_request request, event_fn on_event) const {
  return ask(std::move(request), std::move(on_event), false);
}

admission session_client::append(session_request request, event_fn on_event) const {
  request.answers.clear();
  return ask(std::move(request), std::move(on_event), true);
}

admission session_client::ask(session_request request, event_fn on_event, bool append) const {
  const auto call =
      std::make_shared<session_call>(session_call{std::move(request), std::move(on_event)});
  auto reply = append ? ask_service(sys_, service_, append_atom::value, call)
                      : ask_service(sys_, service_, generate_atom::value, call);
  auto out = admission{};
  if (reply.refused)
    out.refused = std::move(reply.refused);
  else
    out.answer = answer_handle{service_, reply.id};
  return out;
}

opened_session session_client::open(std::string client) const {
  auto reply = ask_service(sys_, service_, open_atom::value, client);
  return {std::move(reply.refused), reply.id};
}

void session_client::close(session_id session) const {
  caf::anon_send(service_, close_atom::value, session);
}

std::shared_ptr<const session_status> session_client::status() const {
  auto out = session_status_ptr{};
  auto self = caf::scoped_actor{sys_};
  self->request(service_, longest_reply, status_atom::value)
      .receive([&](const session_status_ptr& s) { out = s; }, [](const caf::error&) {});
  return out;
}

void session_client::drain(std::chrono::milliseconds deadline) const {
  auto self = caf::scoped_actor{sys_};
  // What is cut ends within a layer.
  self->request(service_, deadline + longest_reply, drain_atom::value,
                static_cast<std::uint64_t>(deadline.count()))
      .receive([](bool) {}, [](const caf::error&) {});
}

} // namespace larql::actors
