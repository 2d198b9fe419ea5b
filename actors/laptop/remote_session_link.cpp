// remote_session: the connection to the place, and what comes over it.

#include "actors/laptop/remote_session.hpp"

#include "runtime/base/wipe.hpp"
#include "schema/codec.hpp"

#include <algorithm>
#include <utility>

namespace larql::actors {

namespace {

// Events that come before the next one is acknowledged.
constexpr auto acknowledged_at_once = 8u;
// A node that was dialled has to take or refuse the session within this time: it may load the model
// first.
constexpr auto opening_patience = std::chrono::seconds{120};

} // namespace

// ---- dialling -----------------------------------------------------------------------------------

void remote_session_state::dial() {
  dial_at_.reset();
  options_.dial(++attempt_, options_.places[place_]);
}

void remote_session_state::dial_later() {
  const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(
      backoff_delay(options_.retry, retries_++, options_.uniform()));
  dial_at_ = now() + pause;
  tick_later(pause);
}

void remote_session_state::on_dialled(std::uint64_t attempt, const connect_result_ptr& outcome) {
  if (attempt != attempt_ || (phase_ != phase::opening && phase_ != phase::away))
    return;
  if (!outcome->node)
    return on_undialled(outcome->node.error());
  const auto& node = **outcome->node;
  node_ = node.node;
  if (node.sessions == 0)
    return next_place("it takes no sessions (larql-node --allow-sessions N)");
  connection_.emplace();
  connection_->open(outcome->connection, self_);
  reader_ = frame_reader{schema::max_session_bytes};
  self_->configure_read(connection_->handle(), caf::io::receive_policy::exactly(reader_.wanted()));
  heard_ = ticked_ = opened_at_ = now();
  tick_later(options_.heartbeat);
  const auto is_same = session_ && node.incarnation == incarnation_;
  incarnation_ = node.incarnation;
  if (is_same)
    return send(schema::session_message{session_, schema::session_resume{last_event_}});
  if (session_) { // it was started anew and knows nothing any more
    session_.reset();
    drop_orders();
    last_event_ = acknowledged_ = last_order_ = 0;
    for (auto& [id, l] : live_)
      l.sent = false;
    phase_ = phase::opening;
  }
  send(schema::session_message{{}, options_.identity});
}

void remote_session_state::on_undialled(const failure& why) {
  if (phase_ == phase::opening || why.code == errc::mismatch || why.code == errc::usage)
    return next_place(why.text);
  // An address that refuses has no node; one that does not answer may be far away for a while.
  was_refused_ = was_refused_ && why.code != errc::deadline;
  const auto has_other = options_.places.size() > 1 || options_.start_own;
  const auto patience = was_refused_ && has_other ? options_.refused_patience : kept_;
  if (now() - lost_ >= patience)
    return next_place(why.text);
  dial_later();
}

void remote_session_state::lose_link(const std::string& why) {
  hang_up();
  if (phase_ == phase::opening)
    return next_place(why);
  if (phase_ != phase::live && phase_ != phase::away)
    return;
  if (phase_ == phase::live) {
    lost_ = now();
    retries_ = 0;
    was_refused_ = true;
    phase_ = phase::away;
    end_cancelled();
    options_.on_news(
        fmt::format("the connection to {} is lost ({}): trying again", place_name(), why));
    return dial();
  }
  dial_later();
}

void remote_session_state::hang_up() {
  ++attempt_; // whoever dials for it is not waited for
  dial_at_.reset();
  if (!connection_)
    return;
  connection_->hang_up();
  self_->close(connection_->handle());
  connection_.reset();
}

// ---- frames -------------------------------------------------------------------------------------

void remote_session_state::send(const schema::message& m) {
  if (!connection_)
    return;
  schema::encode(m, self_->wr_buf(connection_->handle()));
  self_->flush(connection_->handle());
}

void remote_session_state::on_data(caf::io::new_data_msg& m) {
  if (!connection_ || m.handle != connection_->handle())
    return;
  auto frame = reader_.take(m.buf);
  if (!frame)
    return lose_link(frame.error().text);
  heard_ = now();
  self_->configure_read(connection_->handle(), caf::io::receive_policy::exactly(reader_.wanted()));
  if (*frame)
    on_frame(*frame);
}

void remote_session_state::on_frame(const shared_buffer& body) {
  auto m = schema::decode(*body);
  if (!m)
    return lose_link(m.error().text);
  if (auto* session = std::get_if<schema::session_message>(&*m))
    on_session(*session);
  else if (!std::holds_alternative<schema::pong>(*m))
    lose_link("the node sent a message that a session does not have");
}

void remote_session_state::on_session(schema::session_message& m) {
  if (const auto* opened = std::get_if<schema::session_opened>(&m.what))
    return on_opened(*opened, m.id);
  if (const auto* closed = std::get_if<schema::session_closed>(&m.what))
    return on_session_closed(*closed);
  auto* const event = std::get_if<schema::session_event>(&m.what);
  if (event == nullptr || phase_ != phase::live || m.id != session_)
    return lose_link("the node sent a message that was not expected");
  if (event->number <= last_event_)
    return; // it came over the connection before
  if (event->number != last_event_ + 1)
    return lose_link("an event is missing");
  last_event_ = event->number;
  while (!orders_.empty() && orders_.front().first <= event->received) {
    wipe(orders_.front().second);
    orders_.pop_front();
  }
  const auto is_last = std::holds_alternative<schema::session_finish>(event->what);
  if (const auto ok = on_event(*event); !ok)
    return next_place(ok.error().text);
  if (is_last || last_event_ - acknowledged_ >= acknowledged_at_once)
    acknowledge();
}

void remote_session_state::acknowledge() {
  if (phase_ != phase::live || acknowledged_ == last_event_)
    return;
  acknowledged_ = last_event_;
  send(schema::session_message{session_, schema::session_acknowledge{last_event_}});
}

void remote_session_state::on_opened(const schema::session_opened& o,
                                     const std::optional<schema::session_key>& id) {
  const auto is_new = !session_ && (phase_ == phase::opening || phase_ == phase::away);
  if (!is_new && (phase_ != phase::away || id != session_))
    return lose_link("the node opened a session that was not asked for");
  phase_ = phase::live;
  retries_ = 0;
  kept_ = std::chrono::milliseconds{o.kept_ms};
  offered_ = options_.limits;
  offered_.context = std::min(offered_.context, o.context);
  offered_.running = std::min(offered_.running, o.sequences);
  if (is_new) {
    session_ = id;
    options_.on_news(fmt::format("prompt and text are processed at {}", place_name()));
    return took_place(place_name());
  }
  while (!orders_.empty() && orders_.front().first <= o.received) {
    wipe(orders_.front().second);
    orders_.pop_front();
  }
  for (const auto& [number, frame] : orders_) {
    auto& to = self_->wr_buf(connection_->handle());
    to.insert(to.end(), frame.begin(), frame.end());
  }
  self_->flush(connection_->handle());
  options_.on_news(fmt::format("connected to {} again", place_name()));
  acknowledged_ = last_event_;
  begin_waiting();
}

void remote_session_state::on_session_closed(const schema::session_closed& c) {
  const auto has_other = options_.places.size() > 1 || options_.start_own;
  if (c.code == schema::session_end::leaving && phase_ == phase::live && !has_other)
    return wait_here();
  if (phase_ == phase::away && !session_ && now() - lost_ < kept_) { // it is not back yet
    hang_up();
    return dial_later();
  }
  const auto was_open = session_.has_value();
  const auto forgot = c.code == schema::session_end::unknown || c.code == schema::session_end::idle;
  if (!was_open || !forgot)
    return next_place(c.text);
  if (!live_.empty())
    return go_to(place_); // it has the node's place still, but not its memory
  hang_up();
  drop_orders();
  session_.reset();
  phase_ = phase::resting;
}

result<void> remote_session_state::on_event(schema::session_event& e) {
  auto* const l = find_part(e.request);
  if (l == nullptr)
    return {}; // of one that was cancelled
  if (auto* no = std::get_if<schema::session_refusal>(&e.what)) {
    refuse_live(*l, refusal_of(*no));
    drop_ended();
    return {};
  }
  admit(*l);
  if (std::holds_alternative<schema::session_admitted>(e.what))
    return {};
  if (const auto* step = std::get_if<schema::session_step>(&e.what))
    counts_.answer_tokens += step->tokens.size();
  LARQL_TRY_VOID(l->request.take(e.request, std::move(e), now()));
  drop_ended();
  return {};
}

// ---- orders -------------------------------------------------------------------------------------

void remote_session_state::order(decltype(schema::session_order::what) what) {
  auto& [number, frame] = orders_.emplace_back(++last_order_, std::vector<char>{});
  auto numbered = schema::session_order{};
  numbered.number = number;
  numbered.what = std::move(what);
  schema::encode(schema::session_message{session_, std::move(numbered)}, frame);
  if (phase_ != phase::live || !connection_)
    return; // sent when the session is resumed
  auto& to = self_->wr_buf(connection_->handle());
  to.insert(to.end(), frame.begin(), frame.end());
  self_->flush(connection_->handle());
}

void remote_session_state::drop_orders() {
  for (auto& [number, frame] : orders_)
    wipe(frame);
  orders_.clear();
}

// ---- time ---------------------------------------------------------------------------------------

void remote_session_state::tick_later(std::chrono::milliseconds in) {
  self_->delayed_send(self_, in, tick_atom::value);
}

void remote_session_state::on_tick() {
  const auto t = now();
  if (dial_at_ && *dial_at_ <= t)
    dial();
  for (auto& [id, l] : live_) {
    const auto paused = l.request.paused_since();
    if (l.request.cancelled)
      continue;
    if (cut_at_ && *cut_at_ <= t) {
      on_cancel(id);
      return tick_later(std::chrono::milliseconds{0}); // the list has changed
    }
    if (paused && t - *paused >= options_.limits.longest_pause) {
      on_cancel(id);
      return tick_later(std::chrono::milliseconds{0});
    }
    if (!l.request.admitted && t - l.came >= options_.admission) {
      refuse_live(
          l, {refusal_kind::ending, fail(errc::unavailable, "no node has taken the request in {} s",
                                         options_.admission.count() / 1000)});
      drop_ended();
      return tick_later(std::chrono::milliseconds{0});
    }
  }
  if (!connection_ || t - ticked_ < options_.heartbeat)
    return;
  // A tick that is late by a heartbeat and more: this process was stopped, and may not have read
  // what has come.
  const auto late = t - ticked_ > 2 * options_.heartbeat;
  ticked_ = t;
  tick_later(options_.heartbeat);
  if (phase_ == phase::opening && t - opened_at_ > opening_patience)
    return lose_link("it does not open the session");
  if (!late && t - heard_ > options_.heartbeat * options_.misses)
    return lose_link("no sign of life");
  acknowledge();
  send(schema::ping{++nonce_});
}

} // namespace larql::actors
