#include "actors/session/session_actor.hpp"

#include "runtime/models/gemma4/kv_size.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

std::uint32_t answers_of(const session_request& r) {
  return std::max(1u, static_cast<std::uint32_t>(r.answers.size()));
}

} // namespace

session_actor_state::~session_actor_state() {
  for (auto& [id, l] : live_)
    stop(l);
}

session_actor_state::handle::behavior_type session_actor_state::make_behavior() {
  return {
      [this](open_atom, const std::string& client) { return on_open(client); },
      [this](append_atom, const session_call_ptr& call) { return on_request(call); },
      [this](generate_atom, const session_call_ptr& call) { return on_request(call); },
      [this](cancel_atom, std::uint64_t id) { on_cancel(id); },
      [this](pause_atom, std::uint64_t id) { on_pause(id); },
      [this](resume_atom, std::uint64_t id) { on_resume(id); },
      [this](close_atom, std::uint64_t id) { on_close(id); },
      [this](forget_atom, const std::string& clients) {
        passes_->post([clients](scheduler& s) { s.forget(clients); });
      },
      [this](status_atom) { return on_status(); },
      [this](drain_atom, std::uint64_t ms) { return on_drain(std::chrono::milliseconds{ms}); },
      [this](ended_atom, std::uint64_t id) { on_ended(id); },
      [this](tick_atom) { on_tick(); },
  };
}

// ---- coming in ----------------------------------------------------------------------------------

admission_state session_actor_state::state() const {
  return {open_answers_, static_cast<std::uint32_t>(sessions_.size()), ending_, usual_answer_};
}

session_reply_ptr session_actor_state::reply(refusal why) {
  ++refused_;
  return std::make_shared<const session_reply>(session_reply{std::move(why), 0});
}

session_reply_ptr session_actor_state::on_open(const std::string& client) {
  if (auto why = refuse_session(options_.limits, state()))
    return reply(*std::move(why));
  const auto id = next_id_++;
  sessions_[id] = {client, 0};
  passes_->post([id, client](scheduler& s) { s.open(id, client); });
  return std::make_shared<const session_reply>(session_reply{std::nullopt, id});
}

std::optional<refusal> session_actor_state::refuse(const session_request& r) const {
  if (r.session != 0) {
    const auto s = sessions_.find(r.session);
    if (s == sessions_.end() || s->second.client != r.client)
      return refusal{refusal_kind::unknown_session,
                     fail(errc::not_found, "session {} is not open", r.session)};
    if (s->second.busy != 0)
      return refusal{
          refusal_kind::busy_session,
          fail(errc::unavailable, "session {} has not ended its last request", r.session)};
  }
  const auto bytes = gemma4::kv_bytes(options_.model, options_.kv, r.tokens.size(), options_.chunk);
  return refuse_request(r, options_.limits, state(), {options_.model.vocab, bytes});
}

session_reply_ptr session_actor_state::on_request(const session_call_ptr& call) {
  if (auto why = refuse(call->request))
    return reply(*std::move(why));
  auto r = std::make_shared<live_request>();
  r->id = next_id_++;
  r->call = std::move(*call);
  r->admitted = session_clock::now();
  open_answers_ += answers_of(r->call.request);
  if (const auto session = r->call.request.session; session != 0)
    sessions_[session].busy = r->id;
  live_[r->id] = {r, std::nullopt};
  // The pass thread owns what is asked from here on; only the stop and the pause are shared.
  passes_->post([r](scheduler& s) { s.add(r); });
  return std::make_shared<const session_reply>(session_reply{std::nullopt, r->id});
}

// ---- going on -----------------------------------------------------------------------------------

void session_actor_state::stop(live& l) {
  l.request->stop.request_stop();
  passes_->post([](scheduler& s) { s.look_again(); });
}

void session_actor_state::on_cancel(session_request_id id) {
  if (const auto found = live_.find(id); found != live_.end())
    stop(found->second);
}

void session_actor_state::on_pause(session_request_id id) {
  const auto found = live_.find(id);
  if (found == live_.end() || found->second.paused_since)
    return;
  found->second.paused_since = self_->clock().now();
  found->second.request->paused = true;
  self_->delayed_send(self_, options_.limits.longest_pause, tick_atom::value);
}

void session_actor_state::on_resume(session_request_id id) {
  const auto found = live_.find(id);
  if (found == live_.end() || !found->second.paused_since)
    return;
  found->second.paused_since.reset();
  found->second.request->paused = false;
  passes_->post([](scheduler& s) { s.look_again(); });
}

void session_actor_state::on_close(session_id id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end())
    return;
  on_cancel(found->second.busy);
  sessions_.erase(found);
  passes_->post([id](scheduler& s) { s.close(id); });
}

session_status_ptr session_actor_state::on_status() const {
  auto out = passes_->status();
  out.refused = refused_;
  out.sessions = static_cast<std::uint32_t>(sessions_.size());
  return std::make_shared<const session_status>(out);
}

// ---- ending -------------------------------------------------------------------------------------

void session_actor_state::on_ended(session_request_id id) {
  const auto found = live_.find(id);
  if (found == live_.end())
    return;
  const auto& r = *found->second.request;
  open_answers_ -= std::min(open_answers_, answers_of(r.call.request));
  const std::chrono::duration<double> took = session_clock::now() - r.admitted;
  usual_answer_ += (took - usual_answer_) * 0.1;
  if (const auto s = sessions_.find(r.call.request.session); s != sessions_.end())
    s->second.busy = 0;
  live_.erase(found);
  if (!live_.empty())
    return;
  for (auto& promise : draining_)
    promise.deliver(true);
  draining_.clear();
}

caf::result<bool> session_actor_state::on_drain(std::chrono::milliseconds deadline) {
  ending_ = true;
  if (live_.empty())
    return true;
  const auto cut_at = self_->clock().now() + deadline;
  cut_at_ = std::min(cut_at_.value_or(cut_at), cut_at);
  self_->delayed_send(self_, deadline, tick_atom::value);
  auto promise = self_->make_response_promise<bool>();
  draining_.push_back(promise);
  return promise;
}

void session_actor_state::on_tick() {
  const auto now = self_->clock().now();
  const auto cut = cut_at_ && *cut_at_ <= now;
  for (auto& [id, l] : live_)
    if (cut || (l.paused_since && now - *l.paused_since >= options_.limits.longest_pause))
      stop(l);
}

} // namespace larql::actors
