#include "actors/laptop/remote_session.hpp"

#include "runtime/base/log.hpp"
#include "runtime/base/wipe.hpp"

#include <algorithm>
#include <utility>

namespace larql::actors {

namespace {

session_reply_ptr yes(std::uint64_t id) {
  return std::make_shared<const session_reply>(session_reply{std::nullopt, id});
}

session_reply_ptr no(refusal why) {
  return std::make_shared<const session_reply>(session_reply{std::move(why), 0});
}

std::uint32_t answers_of(const session_request& r) {
  return std::max(1u, static_cast<std::uint32_t>(r.answers.size()));
}

} // namespace

remote_session_state::remote_session_state(pointer self, remote_session_options options)
    : self_(self), options_(std::move(options)), offered_(options_.limits) {}

remote_session_state::~remote_session_state() {
  fail_all(fail(errc::cancelled, "the session has ended"));
  if (connection_ && phase_ == phase::live) // so that the node forgets at once
    send(schema::session_message{session_, schema::session_closed{}});
  else if (connection_)
    connection_->hang_up();
  for (auto& [id, c] : conversations_)
    wipe(c.tokens);
  drop_orders();
}

remote_session_state::handle::behavior_type remote_session_state::make_behavior() {
  return {
      [this](open_atom, const std::string& client) { return on_open(client); },
      [this](append_atom, const session_call_ptr& call) { return on_request(call); },
      [this](generate_atom, const session_call_ptr& call) { return on_request(call); },
      [this](cancel_atom, std::uint64_t id) { on_cancel(id); },
      [this](pause_atom, std::uint64_t id) { on_pause(id, true); },
      [this](resume_atom, std::uint64_t id) { on_pause(id, false); },
      [this](close_atom, std::uint64_t id) { on_close(id); },
      [](forget_atom, const std::string&) {}, // what is kept here belongs to conversations
      [this](status_atom) { return on_status(); },
      [this](drain_atom, std::uint64_t ms) { return on_drain(std::chrono::milliseconds{ms}); },
      [](ended_atom, std::uint64_t) {}, // of a pass thread, which there is none
      [this](tick_atom) { on_tick(); },
      [this](dialled_atom, std::uint64_t attempt, const connect_result_ptr& outcome) {
        on_dialled(attempt, outcome);
      },
      [this](start_atom) { return on_start(); },
      [this](start_atom, const own_service_ptr& own) { on_own(own); },
      [this](event_atom, const place_event_ptr& e) { on_own_event(*e); },
      [this](caf::io::new_data_msg& m) { on_data(m); },
      [this](const caf::io::connection_closed_msg& m) {
        if (connection_ && m.handle == connection_->handle())
          lose_link("the connection was closed");
      },
  };
}

remote_session_state::time remote_session_state::now() const {
  return self_->clock().now();
}

// ---- coming in ----------------------------------------------------------------------------------

caf::result<session_reply_ptr> remote_session_state::on_start() {
  if (phase_ == phase::live || phase_ == phase::own)
    return yes(offered_.context);
  auto promise = self_->make_response_promise<session_reply_ptr>();
  starting_.push_back(promise);
  if (phase_ == phase::resting)
    begin_round(0);
  return promise;
}

session_reply_ptr remote_session_state::on_open(const std::string& client) {
  if (ending_)
    return no({refusal_kind::ending, fail(errc::unavailable, "the service is about to end")});
  if (conversations_.size() >= options_.limits.sessions)
    return no(
        {refusal_kind::too_many_sessions,
         fail(errc::unavailable, "{} sessions are open, as many as may", conversations_.size()),
         conversations_.size(), options_.limits.sessions});
  const auto id = next_id_++;
  conversations_[id].client = client;
  return yes(id);
}

std::optional<refusal> remote_session_state::refuse(const session_request& r) const {
  if (ending_)
    return refusal{refusal_kind::ending, fail(errc::unavailable, "the service is about to end")};
  if (r.session != 0) {
    const auto c = conversations_.find(r.session);
    if (c == conversations_.end() || c->second.client != r.client)
      return refusal{refusal_kind::unknown_session,
                     fail(errc::not_found, "session {} is not open", r.session)};
    if (c->second.busy != 0)
      return refusal{
          refusal_kind::busy_session,
          fail(errc::unavailable, "session {} has not ended its last request", r.session)};
  } else if (r.tokens.empty()) {
    return refusal{refusal_kind::invalid, fail(errc::usage, "the prompt is empty"), 0, 1};
  }
  const auto answers = answers_of(r);
  if (answers > offered_.running)
    return refusal{refusal_kind::invalid,
                   fail(errc::usage,
                        "{} answers are asked for, at most {} are computed at the same time",
                        answers, offered_.running),
                   answers, offered_.running};
  const auto most = std::uint64_t{offered_.running} + options_.limits.waiting;
  if (const auto open = open_answers(false); open + answers > most)
    return refusal{refusal_kind::queue_full,
                   fail(errc::unavailable, "{} answers are computed or wait, as many as may", open),
                   open, most, std::chrono::seconds{1}};
  return std::nullopt;
}

// The whole prompt: a place may never have seen what a conversation has.
std::vector<std::uint32_t> remote_session_state::prompt_of(session_request& r) const {
  if (r.session == 0)
    return std::move(r.tokens);
  const auto& before = conversations_.at(r.session).tokens;
  auto out = std::vector<std::uint32_t>{};
  out.assign(before.begin(), before.begin() + std::min<std::ptrdiff_t>(r.keep, std::ssize(before)));
  out.insert(out.end(), r.tokens.begin(), r.tokens.end());
  wipe(r.tokens);
  return out;
}

caf::result<session_reply_ptr> remote_session_state::on_request(const session_call_ptr& call) {
  if (auto why = refuse(call->request)) {
    ++counts_.refused;
    return no(*std::move(why));
  }
  auto tokens = prompt_of(call->request);
  const auto id = next_id_++;
  const auto session = call->request.session;
  if (session != 0)
    conversations_.at(session).busy = id;
  ++counts_.requests;
  counts_.prompt_tokens += tokens.size();
  auto promise = self_->make_response_promise<session_reply_ptr>();
  live_.emplace(id, live{remote_request{id, std::move(*call), std::move(tokens), now()}, promise,
                         now(), false, false, session});
  if (phase_ == phase::resting)
    begin_round(0);
  else
    begin_waiting();
  tick_later(options_.admission);
  return promise;
}

std::uint32_t remote_session_state::open_answers(bool sent_only) const {
  auto sum = 0u;
  for (const auto& [id, l] : live_)
    sum += sent_only && !l.sent ? 0 : l.request.open();
  return sum;
}

// In the order in which they came, as far as the place computes at the same time. Those that wait
// are admitted: it is this side's queue that they wait in.
void remote_session_state::begin_waiting() {
  if (phase_ != phase::live && phase_ != phase::own)
    return;
  for (auto& [id, l] : live_) {
    if (l.sent)
      continue;
    if (open_answers(true) + l.request.open() > offered_.running) {
      for (auto& [other, waits] : live_)
        if (!waits.sent)
          admit(waits);
      return;
    }
    send_request(l);
  }
}

void remote_session_state::send_request(live& l) {
  l.sent = true;
  if (phase_ == phase::own)
    return ask_own(l);
  for (auto& ask : l.request.orders(next_number_))
    order(std::move(ask));
}

void remote_session_state::admit(live& l) {
  if (!std::exchange(l.request.admitted, true))
    l.promise.deliver(yes(l.request.id()));
}

// Who was not admitted hears nothing but the refusal.
void remote_session_state::refuse_live(live& l, refusal why) {
  if (l.request.admitted)
    return l.request.end(std::move(why.error), now());
  ++counts_.refused;
  l.request.admitted = true;
  l.is_refused = true;
  l.request.silence();
  l.request.end(std::nullopt, now());
  l.promise.deliver(no(std::move(why)));
}

remote_session_state::live* remote_session_state::find_part(std::uint64_t number) {
  const auto found = std::find_if(live_.begin(), live_.end(), [number](const auto& entry) {
    return entry.second.request.has(number);
  });
  return found == live_.end() ? nullptr : &found->second;
}

// ---- going on -----------------------------------------------------------------------------------

void remote_session_state::on_cancel(session_request_id id) {
  const auto found = live_.find(id);
  if (found == live_.end())
    return;
  auto& l = found->second;
  ++counts_.cancelled;
  for (const auto number : l.request.numbers()) {
    if (phase_ == phase::own) {
      if (const auto own = own_requests_.find(number); own != own_requests_.end())
        self_->send(own_, cancel_atom::value, own->second);
    } else if (session_ && l.sent) {
      order(schema::session_cancel{number});
    }
  }
  l.request.resume();
  // Its end comes from the place, with what it had still to say; where there is none, at once.
  l.request.cancelled = true;
  if (!l.sent || (phase_ != phase::live && phase_ != phase::own))
    l.request.end(std::nullopt, now());
  drop_ended();
}

// There is nobody who would say what they had still to say.
void remote_session_state::end_cancelled() {
  for (auto& [id, l] : live_)
    if (l.request.cancelled)
      l.request.end(std::nullopt, now());
}

void remote_session_state::on_pause(session_request_id id, bool paused) {
  const auto found = live_.find(id);
  if (found == live_.end())
    return;
  if (!paused) {
    found->second.request.resume();
    return;
  }
  found->second.request.pause(now());
  tick_later(options_.limits.longest_pause);
}

void remote_session_state::on_close(session_id id) {
  const auto found = conversations_.find(id);
  if (found == conversations_.end())
    return;
  on_cancel(found->second.busy);
  wipe(found->second.tokens);
  conversations_.erase(found);
}

session_status_ptr remote_session_state::on_status() const {
  auto out = counts_;
  for (const auto& [id, l] : live_)
    (l.sent ? out.running : out.waiting) += l.request.open();
  out.sessions = static_cast<std::uint32_t>(conversations_.size());
  return std::make_shared<const session_status>(out);
}

// ---- ending -------------------------------------------------------------------------------------

void remote_session_state::forget(live_ptr at) {
  auto& l = at->second;
  if (const auto c = conversations_.find(l.conversation); c != conversations_.end()) {
    if (!l.is_refused)
      c->second.tokens = l.request.text();
    c->second.busy = 0;
  }
  admit(l); // it ended first
  live_.erase(at);
}

void remote_session_state::drop_ended() {
  for (auto l = live_.begin(); l != live_.end();) {
    const auto at = l++;
    // Its client has heard the end; what is held for a slow one is heard later.
    if (at->second.request.open() == 0 && !at->second.request.paused_since())
      forget(at);
  }
  if (live_.empty())
    for (auto& promise : std::exchange(draining_, {}))
      promise.deliver(true);
  begin_waiting();
}

void remote_session_state::fail_all(const failure& why) {
  for (auto& [id, l] : live_) {
    ++counts_.failed;
    if (l.request.cancelled)
      l.request.end(std::nullopt, now());
    else
      refuse_live(l, refusal{refusal_kind::ending, why});
  }
  drop_ended();
}

caf::result<bool> remote_session_state::on_drain(std::chrono::milliseconds deadline) {
  ending_ = true;
  if (live_.empty())
    return true;
  const auto cut_at = now() + deadline;
  cut_at_ = std::min(cut_at_.value_or(cut_at), cut_at);
  tick_later(deadline);
  auto promise = self_->make_response_promise<bool>();
  draining_.push_back(promise);
  return promise;
}

} // namespace larql::actors
