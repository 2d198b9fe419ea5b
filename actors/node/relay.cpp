#include "actors/node/relay.hpp"

#include "runtime/base/log.hpp"
#include "schema/codec.hpp"
#include "schema/sums.hpp"

#include <algorithm>
#include <numeric>

namespace larql::actors {

namespace {

// A part of a call for the shard: numbers of its own, rows of the call.
struct own_part {
  received_call whole;
  part_builder builder;
};

std::uint64_t nanoseconds(std::chrono::nanoseconds d) {
  return static_cast<std::uint64_t>(d.count());
}

std::vector<std::uint32_t> experts_of(std::span<const experts::assignment> picks) {
  auto out = std::vector<std::uint32_t>{};
  for (const auto& p : picks)
    if (out.empty() || out.back() != p.expert)
      out.push_back(p.expert);
  return out;
}

} // namespace

relay_state::relay_state(pointer self, relay_options options)
    : self_(self), options_(std::move(options)), view_(options_.view), adder_(options_.kernels) {
  self_->link_to(options_.shard);
}

relay_state::~relay_state() {
  for (const auto& c : open_)
    c->promise.deliver(make_error(failure_code::restarting, "the relay has ended"));
  for (auto& waiting : drains_) // nothing is left
    waiting.deliver(caf::unit);
}

relay_state::handle::behavior_type relay_state::make_behavior() {
  replies_.assign([this](const encoded_frame& answer) { on_own_answer(answer); },
                  [this](const received_result& answer) { on_answer(answer); },
                  [this](const caf::error& err) { on_error(err); });
  return {
      [this](run_atom, const received_call& call) { return on_run(call); },
      [this](describe_atom) { return options_.self; },
      [this](status_atom) -> caf::result<shard_status> {
        return self_->delegate(options_.shard, status_atom::value);
      },
      [this](drain_atom) { return on_drain(); },
      [this](view_atom, const cluster_view_ptr& view) { on_view(view); },
      [this](tick_atom) { on_tick(); },
  };
}

// ---- a call -------------------------------------------------------------------------------------

bool relay_state::is_other(std::uint32_t layer, std::uint32_t expert) const {
  return !options_.self->owned.contains(layer, expert);
}

caf::result<encoded_frame> relay_state::on_run(const received_call& call) {
  if (draining_)
    return make_error(failure_code::draining, "the node is draining");
  const auto& m = call.message;
  if (m.direct || !needs_others(m, options_.self->owned))
    return self_->delegate(options_.shard, run_atom::value, call);
  if (call.is_abandoned())
    return make_error(failure_code::link_lost, "the laptop has gone");
  auto picks = picks_of(m);
  if (!picks)
    return failed(m.id, failure_code::bad_call, picks.error().text);
  auto c = std::make_shared<open_call>(options_.counters->buffers);
  c->call = call;
  c->begun = self_->clock().now();
  c->until = c->begun + (m.remaining_us == 0 ? std::chrono::microseconds{options_.longest}
                                             : std::chrono::microseconds{m.remaining_us});
  const auto others =
      std::stable_partition(picks->begin(), picks->end(), [&](const experts::assignment& p) {
        return !is_other(m.layer, p.expert);
      });
  auto parts = split(*c, {others, picks->end()});
  auto bytes = std::uint64_t{m.rows} * options_.self->model.hidden * sizeof(std::int64_t);
  if (!c->held.hold(bytes * (1 + parts.parts.size())))
    return failed(m.id, failure_code::overloaded, "no memory is left for the answers of others");
  c->promise = self_->make_response_promise<encoded_frame>();
  open_.push_back(c);
  if (!parts.missing.empty()) {
    c->last_failure = parts.is_crowded ? "too many calls wait at the owner already"
                                       : "no owner of them is connected to this node";
    give_up(c, parts.missing,
            parts.is_crowded ? failure_code::overloaded : failure_code::unavailable);
    return c->promise;
  }
  ask_owners(*c, std::move(parts));
  if (others != picks->begin())
    ask_shard(*c, {picks->begin(), others});
  wake_by(c->until);
  return c->promise;
}

relay_split relay_state::split(const open_call& c, std::span<const experts::assignment> picks) {
  auto offers = std::vector<owner_offer>{};
  for (const auto& m : view_->members) {
    const auto& d = *m.description;
    const auto was_asked =
        std::find(c.tried.begin(), c.tried.end(), d.incarnation) != c.tried.end();
    const auto in_flight = std::count_if(flights_.begin(), flights_.end(),
                                         [&](const flight& f) { return f.owner == d.incarnation; });
    offers.push_back({d.owned, static_cast<std::uint32_t>(in_flight),
                      was_asked || !m.is_usable() || d.incarnation == options_.self->incarnation ||
                          c.call.message.rows > d.max_rows});
  }
  return split_picks(c.call.message.layer, picks, offers);
}

// All rows, as they lie in the call; those without own picks cost nothing.
void relay_state::ask_shard(open_call& c, std::vector<experts::assignment> picks) {
  const auto part = std::make_shared<own_part>();
  part->whole = c.call;
  auto rows = std::vector<std::uint32_t>(c.call.message.rows);
  std::iota(rows.begin(), rows.end(), 0u);
  auto own = c.call;
  own.message = part->builder.make(part->whole.message, picks, rows);
  own.message.id = c.call.message.id; // what fails there is passed on as it is
  own.buffer = shared_buffer{part, part->whole.buffer.get()};
  const auto request = self_->new_request_id(caf::message_priority::normal);
  caf::actor_cast<caf::strong_actor_ptr>(options_.shard)
      ->enqueue(own_calls_.make(self_->ctrl(), request, run_atom::value, std::move(own)),
                self_->context());
  self_->add_multiplexed_response_handler(request.response_id(), replies_);
  c.waiting.push_back({request.response_id(), std::nullopt, std::move(picks), std::move(rows)});
}

void relay_state::ask_owners(open_call& c, relay_split parts) {
  const auto now = self_->clock().now();
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(c.until - now).count();
  for (auto& p : parts.parts) {
    const auto& m = view_->members[p.owner];
    auto rows = rows_in(p.picks);
    auto call = builder_.make(c.call.message, p.picks, rows);
    call.id = next_id_++;
    call.remaining_us = static_cast<std::uint32_t>(std::max<std::int64_t>(left, 1));
    auto frame = frames_.take();
    frame->clear();
    schema::encode(call, *frame);
    frames_.let_go_if_large(frame);
    const auto request = self_->new_request_id(caf::message_priority::normal);
    m.shard->enqueue(calls_.make(self_->ctrl(), request, run_atom::value,
                                 outgoing_call{call.id, std::move(frame)}),
                     self_->context());
    self_->add_multiplexed_response_handler(request.response_id(), replies_);
    const auto owner = m.description->incarnation;
    flights_.push_back({request.response_id(), owner, now});
    c.tried.push_back(owner);
    options_.counters->forwarded_calls.fetch_add(1);
    options_.counters->forwarded_rows.fetch_add(rows.size());
    c.waiting.push_back({request.response_id(), owner, std::move(p.picks), std::move(rows)});
  }
}

// Somebody else who owns it, who has not been asked; several together if need be.
void relay_state::ask_again(const open_ptr& c, open_part part) {
  auto parts = split(*c, part.picks);
  if (self_->clock().now() >= c->until || !parts.missing.empty())
    return give_up(c, experts_of(part.picks), failure_code::unavailable);
  ask_owners(*c, std::move(parts));
}

// ---- answers ------------------------------------------------------------------------------------

// Null if nobody waits for it any more.
std::pair<relay_state::open_ptr, relay_state::open_part>
relay_state::take_part(caf::message_id reply) {
  for (const auto& c : open_)
    for (auto it = c->waiting.begin(); it != c->waiting.end(); ++it)
      if (it->reply == reply) {
        auto part = std::move(*it);
        c->waiting.erase(it);
        return {c, std::move(part)};
      }
  return {};
}

std::optional<relay_state::flight> relay_state::land(caf::message_id reply) {
  const auto it = std::find_if(flights_.begin(), flights_.end(),
                               [&](const flight& f) { return f.reply == reply; });
  if (it == flights_.end())
    return std::nullopt;
  const auto out = *it;
  flights_.erase(it);
  const auto took = self_->clock().now() - out.sent;
  options_.counters->forward_times.add(took);
  options_.counters->forward_ns.fetch_add(nanoseconds(took));
  return out;
}

void relay_state::on_own_answer(const encoded_frame& answer) {
  auto [c, part] = take_part(self_->current_message_id());
  if (!c)
    return;
  const auto m = schema::decode(std::span{*answer.bytes}.subspan(schema::frame_header_bytes));
  const auto* done = m ? std::get_if<schema::expert_result>(&*m) : nullptr;
  if (done == nullptr) { // it says what is wrong with the call
    end(c);
    deliver(self_, answers_, c->promise, answer);
    return;
  }
  c->answered.push_back({answer.bytes, *done, std::move(part.rows)});
  finish_if_complete(c);
}

void relay_state::on_answer(const received_result& answer) {
  const auto reply = self_->current_message_id();
  const auto landed = land(reply);
  auto [c, part] = take_part(reply);
  if (!c || !landed)
    return;
  const auto& r = answer.message;
  auto ok = schema::check_sums(r.widths, r.sums, part.rows.size(), options_.self->model.hidden);
  if (ok && (r.rows != part.rows.size() || !r.makers.empty()))
    ok = fail(errc::corrupt, "result: {} rows and {} makers to a direct call of {} rows", r.rows,
              r.makers.size() / 8, part.rows.size());
  if (!ok) {
    options_.counters->forward_failures.fetch_add(1);
    c->last_failure = ok.error().text;
    return ask_again(c, std::move(part));
  }
  c->makers.push_back(*part.owner);
  c->forwarded = self_->clock().now() - c->begun;
  c->answered.push_back({answer.buffer, r, std::move(part.rows)});
  finish_if_complete(c);
}

void relay_state::on_error(const caf::error& err) {
  const auto reply = self_->current_message_id();
  const auto landed = land(reply);
  auto [c, part] = take_part(reply);
  if (!c)
    return;
  if (!landed) { // the own shard
    end(c);
    c->promise.deliver(err);
    return;
  }
  options_.counters->forward_failures.fetch_add(1);
  c->last_failure = text_of(err);
  if (code_of(err) == failure_code::bad_call) {
    end(c);
    const auto answer = failed(c->call.message.id, failure_code::bad_call, text_of(err));
    deliver(self_, answers_, c->promise, answer);
    return;
  }
  ask_again(c, std::move(part));
}

void relay_state::finish_if_complete(const open_ptr& c) {
  if (!c->waiting.empty())
    return;
  end(c);
  const auto& m = c->call.message;
  widths_.clear();
  sums_.clear();
  adder_.add(c->answered, m, options_.self->model.hidden, widths_, sums_);
  auto out = schema::expert_result{};
  out.id = m.id;
  out.incarnation = options_.self->incarnation;
  out.rows = m.rows;
  out.widths = widths_;
  out.sums = sums_;
  out.makers = std::as_bytes(std::span{c->makers});
  out.forward_ns = nanoseconds(c->forwarded);
  for (const auto& a : c->answered)
    if (a.result.incarnation == options_.self->incarnation) {
      out.compute_ns = a.result.compute_ns;
      out.queue_ns = a.result.queue_ns;
    }
  options_.counters->relayed_calls.fetch_add(1);
  deliver(self_, answers_, c->promise, frame_of(out));
}

// The call has no answer, or not in time.
void relay_state::give_up(const open_ptr& c, std::span<const std::uint32_t> missing,
                          failure_code code) {
  end(c);
  const auto range = experts::index_range{*std::min_element(missing.begin(), missing.end()),
                                          *std::max_element(missing.begin(), missing.end())};
  const auto answer =
      failed(c->call.message.id, code,
             fmt::format("experts {}: {}", to_string(range), c->last_failure), range);
  deliver(self_, answers_, c->promise, answer);
}

void relay_state::end(const open_ptr& c) {
  std::erase(open_, open_ptr{c});
  if (!open_.empty())
    return;
  for (auto& waiting : std::exchange(drains_, {}))
    waiting.delegate(options_.shard, drain_atom::value);
}

encoded_frame relay_state::frame_of(const schema::message& m) {
  auto frame = frames_.take();
  frame->clear();
  schema::encode(m, *frame);
  frames_.let_go_if_large(frame);
  return {std::move(frame)};
}

encoded_frame relay_state::failed(std::uint64_t id, failure_code code, std::string text,
                                  experts::index_range missing) {
  options_.counters->failed.fetch_add(1);
  return frame_of(
      schema::call_failed{id, options_.self->incarnation, code, std::move(text), missing});
}

// ---- time, members ------------------------------------------------------------------------------

void relay_state::on_view(const cluster_view_ptr& view) {
  view_ = view;
}

void relay_state::on_tick() {
  const auto now = self_->clock().now();
  if (next_tick_ && now < *next_tick_)
    return; // there is one to come
  next_tick_.reset();
  for (const auto& c : std::vector{open_}) {
    if (c->until > now) {
      wake_by(c->until);
      continue;
    }
    auto missing = std::vector<std::uint32_t>{};
    for (const auto& p : c->waiting)
      for (const auto& a : p.picks)
        missing.push_back(a.expert);
    c->last_failure =
        fmt::format("no answer within {} ms",
                    std::chrono::duration_cast<std::chrono::milliseconds>(now - c->begun).count());
    give_up(c, missing, failure_code::unavailable);
  }
}

void relay_state::wake_by(time t) {
  if (next_tick_ && *next_tick_ <= t)
    return;
  next_tick_ = t;
  self_->delayed_send(self_, t - self_->clock().now(), tick_atom::value);
}

caf::result<void> relay_state::on_drain() {
  draining_ = true;
  if (open_.empty())
    return self_->delegate(options_.shard, drain_atom::value);
  drains_.push_back(self_->make_response_promise());
  return drains_.back();
}

} // namespace larql::actors
