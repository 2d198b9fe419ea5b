// remote_session: which place computes, and what becomes of answers when it is another.

#include "actors/laptop/remote_session.hpp"

#include "runtime/base/wipe.hpp"

#include <algorithm>
#include <utility>

namespace larql::actors {

std::string remote_session_state::place_name() const {
  const auto address = host_port(options_.places[place_]);
  return node_.empty() ? address : fmt::format("{} ({})", node_, address);
}

// All places are tried once, from this one on.
void remote_session_state::begin_round(std::size_t place) {
  tried_.clear();
  untried_ = options_.places.size();
  if (untried_ == 0)
    return use_own();
  go_to(place);
}

void remote_session_state::go_to(std::size_t place) {
  hang_up();
  drop_orders();
  session_.reset();
  node_.clear();
  last_event_ = acknowledged_ = last_order_ = 0;
  for (auto& [id, l] : live_)
    l.sent = false;
  place_ = place;
  untried_ -= std::min<std::size_t>(untried_, 1);
  phase_ = phase::opening;
  opened_at_ = now();
  dial();
}

void remote_session_state::next_place(const std::string& why) {
  const auto lost = place_name();
  tried_ += fmt::format("{}{}: {}", tried_.empty() ? "" : "; ", lost, why);
  const auto was_computing = phase_ == phase::live || phase_ == phase::away;
  if (was_computing) {
    options_.on_news(fmt::format("{} is lost: {}", lost, why));
    untried_ = options_.places.size() - 1;
  }
  if (untried_ != 0)
    return go_to((place_ + 1) % options_.places.size());
  hang_up();
  drop_orders();
  session_.reset();
  for (auto& [id, l] : live_)
    l.sent = false;
  if (options_.start_own && was_live_)
    return use_own();
  end_round();
}

// The only place leaves, most likely to start anew: it is waited for as long as for a lost one.
void remote_session_state::wait_here() {
  options_.on_news(fmt::format("{} leaves: waiting for it to come back", place_name()));
  hang_up();
  drop_orders();
  session_.reset();
  last_event_ = acknowledged_ = last_order_ = 0;
  for (auto& [id, l] : live_)
    l.sent = false;
  phase_ = phase::away;
  end_cancelled();
  lost_ = now();
  retries_ = 0;
  was_refused_ = false;
  dial_later();
}

// Nobody can compute. The next request tries again.
void remote_session_state::end_round() {
  phase_ = phase::resting;
  const auto why =
      fail(errc::unavailable, "no node can hold the session: {}", std::exchange(tried_, {}));
  for (auto& promise : std::exchange(starting_, {}))
    promise.deliver(std::make_shared<const session_reply>(
        session_reply{refusal{refusal_kind::ending, why}, 0}));
  fail_all(why);
}

void remote_session_state::took_place(const std::string& where) {
  end_cancelled();
  auto again = std::uint64_t{0};
  for (auto& [id, l] : live_) {
    l.request.settle(now()); // what needs no place any more
    again += l.request.tokens_to_read();
  }
  if (was_live_ && again != 0)
    options_.on_news(fmt::format("going on at {}, where {} tokens are read again", where, again));
  was_live_ = true;
  for (auto& promise : std::exchange(starting_, {}))
    promise.deliver(
        std::make_shared<const session_reply>(session_reply{std::nullopt, offered_.context}));
  drop_ended(); // and begins what is left
}

// ---- this process -------------------------------------------------------------------------------

void remote_session_state::use_own() {
  phase_ = phase::own;
  if (own_)
    return took_place("this machine");
  if (!std::exchange(is_starting_own_, true)) {
    options_.on_news("no node is left: this machine loads the model");
    options_.start_own();
  }
}

void remote_session_state::on_own(const own_service_ptr& own) {
  is_starting_own_ = false;
  if (!own->service) {
    tried_ += fmt::format("; this machine: {}", own->failed ? own->failed->text : "failed");
    return end_round();
  }
  own_ = own->service;
  offered_ = options_.limits;
  took_place("this machine");
}

void remote_session_state::ask_own(live& l) {
  if (!own_) {
    l.sent = false; // until it is there
    return;
  }
  for (auto& [number, r] : l.request.requests(next_number_)) {
    auto call = std::make_shared<session_call>();
    call->request = std::move(r);
    call->on_event = [self = caf::actor_cast<remote_session_actor>(self_),
                      n = number](session_event e) {
      caf::anon_send(self, event_atom::value,
                     std::make_shared<place_event>(place_event{n, std::move(e)}));
    };
    self_->request(own_, caf::infinite, generate_atom::value, std::move(call))
        .then(
            [this, n = number](const session_reply_ptr& reply) {
              auto* const asked = find_part(n);
              if (asked == nullptr)
                return;
              if (reply->refused)
                refuse_live(*asked, *reply->refused);
              else
                own_requests_[n] = reply->id;
              admit(*asked);
              drop_ended();
            },
            [this](const caf::error& err) { fail_all(fail(errc::internal, "{}", text_of(err))); });
  }
}

// Its answers go the same way as a node's.
void remote_session_state::on_own_event(place_event& e) {
  auto* const l = find_part(e.number);
  if (l == nullptr)
    return;
  auto event = schema::session_event{};
  if (const auto* p = std::get_if<prompt_progress>(&e.event))
    event.what = wire_of(*p);
  else if (const auto* s = std::get_if<answer_step>(&e.event))
    event.what = wire_of(*s);
  else if (const auto* end = std::get_if<answer_end>(&e.event))
    event.what = wire_of(*end);
  if (std::holds_alternative<schema::session_finish>(event.what))
    own_requests_.erase(e.number);
  if (const auto ok = l->request.take(e.number, std::move(event), now()); !ok)
    l->request.end(ok.error(), now());
  drop_ended();
}

} // namespace larql::actors
