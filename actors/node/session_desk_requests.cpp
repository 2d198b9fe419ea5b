// session_desk: requests on their way to the session service, and what comes of them.

#include "actors/node/session_desk.hpp"

#include "actors/core/errc.hpp"
#include "runtime/models/gemma4/kv_size.hpp"

#include <algorithm>

namespace larql::actors {

std::uint64_t session_desk_state::kv_bytes(std::uint64_t tokens) const {
  return gemma4::kv_bytes(host_->model, host_->kv, tokens, host_->chunk);
}

std::uint64_t session_desk_state::kv_bytes_of(const placed_session& s) const {
  auto sum = std::uint64_t{0};
  for (const auto& [id, r] : s.requests)
    for (const auto& a : r.answers)
      sum += a.ended ? 0 : kv_bytes(a.tokens);
  return sum;
}

std::optional<refusal> session_desk_state::admit(const placed_session& s,
                                                 const schema::session_ask& ask) const {
  const auto answers = std::max<std::size_t>(1, ask.answers.size());
  const auto most = options_.limits.sequences;
  if (answers > most)
    return refusal{
        refusal_kind::invalid,
        fail(errc::usage, "{} answers are asked for, a session has at most {}", answers, most),
        answers, most};
  if (s.open_answers() + answers > most)
    return refusal{refusal_kind::queue_full,
                   fail(errc::unavailable,
                        "{} answers of this session are computed, as many as may",
                        s.open_answers()),
                   s.open_answers(), most, std::chrono::seconds{1}};
  if (ask.tokens.size() > host_->context)
    return refusal{refusal_kind::too_long,
                   fail(errc::usage, "the prompt's {} tokens do not fit the context of {}",
                        ask.tokens.size(), host_->context),
                   ask.tokens.size(), host_->context};
  const auto bytes = answers * kv_bytes(ask.tokens.size());
  if (const auto used = kv_bytes_of(s); host_->kv_bytes != 0 && used + bytes > host_->kv_bytes)
    return refusal{used == 0 ? refusal_kind::no_memory : refusal_kind::queue_full,
                   fail(errc::unavailable,
                        "{} bytes of keys and values are needed, and {} of this laptop's {} are in "
                        "use",
                        bytes, used, host_->kv_bytes),
                   used + bytes, host_->kv_bytes, std::chrono::seconds{used == 0 ? 0 : 1}};
  return std::nullopt;
}

result<session_request> session_desk_state::request_of(placed_session& s, schema::session_ask& ask,
                                                       placed_request& to) {
  auto out = session_request{};
  out.client = s.clients() + ask.client;
  out.hints = {ask.system_end, std::move(ask.turn_ends)};
  const auto parts = generation_parts{*host_->tokens,
                                      [&] {
                                        if (s.engine == nullptr)
                                          s.engine = host_->new_engine();
                                        return s.engine;
                                      },
                                      host_->model.vocab};
  for (auto& a : ask.answers) {
    if (ask.answers.size() > 1 && !a.given.empty())
      return fail(errc::usage, "an answer that goes on elsewhere needs a request of its own");
    if (a.given.size() >= ask.tokens.size() ||
        !std::equal(a.given.rbegin(), a.given.rend(), ask.tokens.rbegin()))
      return fail(errc::usage, "the tokens do not end with what was given of the answer");
    LARQL_TRY(auto g, restore(a, parts));
    out.answers.push_back(std::move(g));
    to.answers.push_back({ask.tokens.size(), false});
    wipe(a.given);
  }
  if (to.answers.empty())
    to.answers.push_back({ask.tokens.size(), false});
  out.tokens = std::move(ask.tokens);
  return out;
}

void session_desk_state::on_ask(placed_session& s, schema::session_ask& ask) {
  if (auto no = admit(s, ask))
    return emit(s, ask.id, wire_of(*no));
  auto request = placed_request{};
  auto made = request_of(s, ask, request);
  if (!made)
    return emit(s, ask.id, wire_of(refusal{refusal_kind::invalid, std::move(made).error()}));
  s.requests.emplace(ask.id, std::move(request));
  ask_service(s, ask.id, *std::move(made));
}

void session_desk_state::ask_service(placed_session& s, std::uint64_t id, session_request request) {
  auto call = std::make_shared<session_call>();
  call->request = std::move(request);
  call->on_event = [desk = caf::actor_cast<session_desk_actor>(self_), session = s.id,
                    id](session_event e) {
    auto event = std::make_shared<placed_event>();
    event->session = session;
    event->request = id;
    event->event = std::move(e);
    caf::anon_send(desk, event_atom::value, std::move(event));
  };
  self_->request(host_->service, caf::infinite, generate_atom::value, std::move(call))
      .then([this, session = s.id, id](const session_reply_ptr& r) { on_reply(session, id, *r); },
            [this, session = s.id, id](const caf::error& e) {
              on_reply(
                  session, id,
                  {refusal{refusal_kind::ending, fail(errc::unavailable, "{}", text_of(e))}, 0});
            });
}

void session_desk_state::on_reply(const schema::session_key& session, std::uint64_t id,
                                  const session_reply& reply) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) {
    if (!reply.refused)
      self_->send(host_->service, cancel_atom::value, reply.id);
    return;
  }
  auto& s = found->second;
  const auto r = s.requests.find(id);
  if (r == s.requests.end())
    return; // it has ended already
  if (reply.refused) {
    s.requests.erase(r);
    return emit(s, id, wire_of(*reply.refused));
  }
  r->second.service_id = reply.id;
  if (!std::exchange(r->second.was_admitted, true))
    emit(s, id, schema::session_admitted{});
  if (r->second.cancelled)
    self_->send(host_->service, cancel_atom::value, reply.id);
  else if (s.is_paused)
    self_->send(host_->service, pause_atom::value, reply.id);
}

void session_desk_state::cancel(placed_request& r) {
  r.cancelled = true;
  if (r.service_id != 0)
    self_->send(host_->service, cancel_atom::value, r.service_id);
}

// ---- events -------------------------------------------------------------------------------------

void session_desk_state::emit(placed_session& s, std::uint64_t request,
                              decltype(schema::session_event::what) what) {
  auto event = schema::session_event{};
  event.request = request;
  event.received = s.orders;
  event.what = std::move(what);
  const auto& frame = s.events.add(s.id, std::move(event));
  s.used = self_->clock().now();
  if (s.link)
    self_->send(s.link, session_atom::value,
                encoded_frame{std::make_shared<std::vector<char>>(frame)});
  keep_pace(s);
}

void session_desk_state::on_event(placed_event& e) {
  const auto found = sessions_.find(e.session);
  if (found == sessions_.end())
    return;
  auto& s = found->second;
  const auto r = s.requests.find(e.request);
  if (r == s.requests.end())
    return;
  if (!std::exchange(r->second.was_admitted, true))
    emit(s, e.request, schema::session_admitted{});
  if (const auto* p = std::get_if<prompt_progress>(&e.event)) {
    emit(s, e.request, wire_of(*p));
  } else if (auto* step = std::get_if<answer_step>(&e.event)) {
    r->second.answers.at(step->choice).tokens += step->given.tokens.size();
    options_.counters->session_tokens.fetch_add(step->given.tokens.size());
    emit(s, e.request, wire_of(*step));
    wipe(step->given.tokens);
    wipe(step->given.text);
    keep_memory(s);
  } else if (auto* end = std::get_if<answer_end>(&e.event)) {
    on_end(s, r->second, e.request, *end);
    if (r->second.open() == 0)
      s.requests.erase(r);
  }
}

void session_desk_state::on_end(placed_session& s, placed_request& r, std::uint64_t id,
                                answer_end& e) {
  r.answers.at(e.choice).ended = true;
  if (r.failed && e.reason == generate::end_reason::stopped) {
    e.reason = generate::end_reason::none;
    e.failed = r.failed;
  }
  emit(s, id, wire_of(e));
}

// A laptop that does not take its events, or is away, gets no more than what is kept for it.
void session_desk_state::keep_pace(placed_session& s) {
  const auto pause = s.is_paused ? !s.events.is_short() : s.events.is_long();
  if (std::exchange(s.is_paused, pause) == pause)
    return;
  for (const auto& [id, r] : s.requests)
    if (r.service_id != 0)
      pause ? self_->send(host_->service, pause_atom::value, r.service_id)
            : self_->send(host_->service, resume_atom::value, r.service_id);
}

// Its answers have grown beyond the laptop's memory: the last one ends.
void session_desk_state::keep_memory(placed_session& s) {
  if (host_->kv_bytes == 0 || s.requests.size() < 2 || kv_bytes_of(s) <= host_->kv_bytes)
    return;
  auto& last = s.requests.rbegin()->second;
  if (last.cancelled)
    return;
  last.failed =
      fail(errc::unavailable, "the {} bytes that this laptop has for keys and values are used up",
           host_->kv_bytes);
  cancel(last);
}

} // namespace larql::actors
