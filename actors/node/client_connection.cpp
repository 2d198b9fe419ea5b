#include "actors/node/client_connection.hpp"

#include "actors/core/errc.hpp"
#include "actors/node/relay_plan.hpp"
#include "actors/node/session_desk.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/wipe.hpp"
#include "schema/codec.hpp"

#include <algorithm>
#include <utility>

namespace larql::actors {

namespace {

// A peer that takes nothing for so long is dropped when memory is short.
constexpr auto patience = std::chrono::seconds{2};

failure_code code_for(const caf::error& err) {
  const auto code = code_of(err);
  if (code == failure_code::draining || code == failure_code::overloaded ||
      code == failure_code::bad_call)
    return *code;
  // The shard ended while the call waited for it, or it is gone: another one is on its way.
  return failure_code::restarting;
}

// Whether an answer has more frames than the first.
bool is_in_pieces(const std::vector<char>& frames) {
  return schema::frame_bytes(frames) < frames.size();
}

} // namespace

client_connection_state::client_connection_state(pointer self, accepted_client_ptr client,
                                                 context node)
    : self_(self),
      client_(std::move(client)),
      node_(std::move(node)),
      reader_(client_->hello.model ? schema::max_frame_bytes : schema::max_hello_bytes),
      held_(node_.counters->buffers),
      reading_(node_.read_limit) {
  if (node_.reach && client_->hello.model)
    credits_ = std::make_unique<reach_book::share>(node_.reach);
}

client_connection_state::~client_connection_state() {
  gone_->store(true);
  if (client_->activity->unwanted)
    connection_.hang_up(); // or what it has not read would be kept for it
  node_.counters->waiting.fetch_sub(waiting_);
}

client_connection_state::handle::behavior_type client_connection_state::make_behavior() {
  replies_.assign([this](const encoded_frame& answer) { on_answer(answer); },
                  [this](const caf::error& err) { on_error(err); });
  connection_.open(client_->connection, self_);
  client_->activity->last = self_->clock().now();
  self_->configure_read(connection_.handle(), caf::io::receive_policy::exactly(reader_.wanted()));
  return {
      [this](shard_atom, const expert_shard_actor& shard) { node_.shard = shard; },
      [this](notice_atom, schema::node_state state) { on_state(state); },
      [this](session_atom, const encoded_frame& frame) { send(*frame.bytes); },
      [this](tick_atom) { on_tick(); },
      [this](caf::io::new_data_msg& m) { on_data(m); },
      [this](const caf::io::data_transferred_msg&) {
        send_pieces();
        after_writing();
      },
      [this](const caf::io::connection_closed_msg&) {
        connection_.hang_up(); // the peer may have closed one direction only
        self_->quit();
      },
  };
}

void client_connection_state::on_data(caf::io::new_data_msg& m) {
  auto frame = reader_.take(m.buf);
  if (!frame)
    return drop(frame.error().text);
  self_->configure_read(connection_.handle(), caf::io::receive_policy::exactly(reader_.wanted()));
  if (*frame) {
    client_->activity->last = self_->clock().now();
    client_->activity->has_spoken = true;
    on_frame(*std::move(frame));
  } else if (!hold()) {
    drop(why_full());
  }
}

void client_connection_state::on_frame(shared_buffer body) {
  node_.counters->bytes_in.fetch_add(schema::frame_header_bytes + body->size());
  auto m = schema::decode(*body);
  if (!m)
    return drop(m.error().text);
  if (const auto* call = std::get_if<schema::expert_call>(&*m))
    on_call(*call, std::move(body));
  else if (const auto* asked = std::get_if<schema::ping>(&*m))
    send_message(schema::pong{asked->nonce, node_.description->incarnation, served_, waiting_,
                              node_.state, node_.counters->owned_digest(),
                              credits_ ? credits_->renew() : schema::reach{}});
  else if (const auto* ask = std::get_if<schema::ask_status>(&*m))
    on_ask_status(ask->nonce);
  else if (const auto* control = std::get_if<schema::control>(&*m))
    on_control(*control);
  else if (auto* session = std::get_if<schema::session_message>(&*m)) {
    const auto bytes = body->size();
    wipe(*body); // the message has what it holds
    on_session(std::move(*session), bytes);
  } else
    drop("the message is none that a node answers");
}

void client_connection_state::on_call(const schema::expert_call& call, shared_buffer body) {
  const auto id = call.id;
  if (!client_->identity.may_call() || !client_->hello.model)
    return refuse_call(id, failure_code::bad_call,
                       client_->hello.model
                           ? fmt::format("a {} may not call", name_of(client_->identity.role))
                           : "the connection was opened for status only");
  if (node_.state == schema::node_state::degraded)
    return refuse_call(id, failure_code::internal,
                       "the shard failed too often: the node is degraded");
  if (node_.state == schema::node_state::loading || !node_.shard)
    return refuse_call(id, failure_code::restarting,
                       node_.shard ? "the node is loading" : "the shard is restarting");
  const auto bytes = body->size();
  if (waiting_ >= window || waiting_bytes_ + bytes > max_waiting_bytes)
    return refuse_call(id, failure_code::overloaded,
                       fmt::format("{} calls of this connection, {} bytes, wait already", waiting_,
                                   waiting_bytes_));
  if (!hold(bytes))
    return refuse_call(id, failure_code::overloaded, what_is_held());
  const auto others = node_.reach && !call.direct && needs_others(call, node_.description->owned);
  if (others && !(credits_ && credits_->begin()))
    return refuse_call(id, failure_code::overloaded,
                       "as many calls as this connection has credits for wait for other nodes");
  ++waiting_;
  client_->activity->pending.fetch_add(1);
  waiting_bytes_ += bytes;
  node_.counters->waiting.fetch_add(1);
  const auto request = self_->new_request_id(caf::message_priority::normal);
  const auto arrived = std::chrono::steady_clock::now();
  calls_.push_back({request.response_id(), id, call.layer, bytes, others, arrived,
                    self_->clock().now() + call_timeout});
  wake_by(calls_.front().until);
  // What request().then() does, with memory that is used again.
  caf::actor_cast<caf::strong_actor_ptr>(node_.shard)
      ->enqueue(messages_.make(self_->ctrl(), request, run_atom::value,
                               received_call{{std::move(body), call}, arrived, gone_}),
                self_->context());
  self_->add_multiplexed_response_handler(request.response_id(), replies_);
}

void client_connection_state::on_answer(const encoded_frame& answer) {
  const auto call = finish_call(self_->current_message_id());
  if (!call)
    return;
  if (auto* times = node_.counters->times_of(call->layer))
    times->answered.add(std::chrono::steady_clock::now() - call->arrived);
  if (hold_answer(answer.bytes->size())) {
    if (!is_in_pieces(*answer.bytes) || node_.state == schema::node_state::draining)
      return write(*answer.bytes);
    if (const auto before = unsent(); before + answer.bytes->size() > max_unsent_bytes)
      return drop(fmt::format("does not read its answers, {} bytes wait", before));
    if (long_answers_.empty())
      self_->ack_writes(connection_.handle(), true); // says when there is room for the next piece
    long_answers_.push_back({answer.bytes});
    long_bytes_ += answer.bytes->size();
    send_pieces();
    return after_writing();
  }
  const auto now = self_->clock().now();
  (void) reading_.look(connection_, now);
  if (reading_.is_stuck_for(patience, now)) // it may be what fills the memory
    return drop(fmt::format("does not read its answers, {} bytes wait", unsent()));
  node_.counters->failed.fetch_add(1);
  send_failure(call->id, failure_code::overloaded, what_is_held());
}

void client_connection_state::on_error(const caf::error& err) {
  const auto call = finish_call(self_->current_message_id());
  if (!call)
    return;
  node_.counters->failed.fetch_add(1);
  send_failure(call->id, code_for(err), text_of(err));
}

// Calls that the shard has not answered in time.
void client_connection_state::on_tick() {
  const auto now = self_->clock().now();
  if (next_tick_ && now < *next_tick_)
    return; // there is one to come
  next_tick_.reset();
  (void) hold(); // less, if the peer has read
  if (!reading_.look(connection_, now))
    return drop(fmt::format("does not read its answers, {} bytes wait", unsent()));
  while (!calls_.empty() && calls_.front().until <= now) {
    const auto call = finish_call(calls_.front().reply);
    node_.counters->failed.fetch_add(1);
    send_failure(call->id, failure_code::restarting, "the shard does not answer");
  }
  if (!calls_.empty())
    wake_by(calls_.front().until);
  if (const auto look = reading_.next_look(connection_, now))
    wake_by(*look);
}

void client_connection_state::wake_by(caf::actor_clock::time_point t) {
  if (next_tick_ && *next_tick_ <= t)
    return;
  next_tick_ = t;
  self_->delayed_send(self_, t - self_->clock().now(), tick_atom::value);
}

std::size_t client_connection_state::unsent() {
  return long_bytes_ + std::max(connection_.unsent(), self_->wr_buf(connection_.handle()).size());
}

bool client_connection_state::hold(std::size_t more) {
  return held_.hold(waiting_bytes_ + unsent() + more, reader_.held());
}

bool client_connection_state::hold_answer(std::size_t bytes) {
  if (unsent() == 0)
    return held_.hold(waiting_bytes_, reader_.held() + bytes);
  return hold(bytes);
}

std::string client_connection_state::what_is_held() const {
  const auto& all = *node_.counters->buffers;
  return fmt::format("calls and answers that wait hold {} of {} bytes", all.used(), all.limit());
}

std::string client_connection_state::why_full() {
  const auto waits = unsent();
  if (waits == 0)
    return what_is_held();
  return fmt::format("does not read its answers, {} bytes wait, and {}", waits, what_is_held());
}

void client_connection_state::refuse_call(std::uint64_t id, failure_code code,
                                          const std::string& text) {
  node_.counters->refused.fetch_add(1);
  send_failure(id, code, text);
}

std::optional<client_connection_state::pending_call>
client_connection_state::finish_call(caf::message_id reply) {
  const auto it = std::find_if(calls_.begin(), calls_.end(),
                               [reply](const pending_call& c) { return c.reply == reply; });
  if (it == calls_.end())
    return std::nullopt;
  const auto call = *it;
  if (call.needs_others)
    credits_->end();
  --waiting_;
  waiting_bytes_ -= call.bytes;
  (void) hold(); // less
  client_->activity->pending.fetch_sub(1);
  calls_.erase(it);
  ++served_;
  node_.counters->waiting.fetch_sub(1);
  node_.counters->served.fetch_add(1);
  return call;
}

void client_connection_state::on_ask_status(std::uint64_t nonce) {
  if (++requests_ > most_requests)
    return drop("asks on and on without waiting for the answers");
  // The node always answers; a finite timeout would be kept until it passes (see calls_).
  self_->request(node_.node, caf::infinite, status_atom::value)
      .then(
          [this, nonce](const node_status_ptr& status) {
            --requests_;
            auto answer = *status;
            answer.nonce = nonce;
            send_message(answer);
          },
          [this](const caf::error& err) { drop(text_of(err)); });
}

void client_connection_state::on_control(const schema::control& c) {
  if (++requests_ > most_requests)
    return drop("gives orders on and on without waiting for the answers");
  const auto activity = client_->activity;
  activity->pending.fetch_add(1);
  const auto done = [this, activity, id = c.id](bool ok, std::string text) {
    --requests_;
    activity->pending.fetch_sub(1);
    send_message(schema::controlled{id, ok, std::move(text)});
  };
  if (!client_->identity.may_control())
    return done(false, fmt::format("a {} may not control a node, only an operator may",
                                   name_of(client_->identity.role)));
  const auto& who = client_->identity;
  log_info("node", "{}{}: asks for {}", client_->peer,
           who.name.empty() ? "" : fmt::format(" ({} {})", name_of(who.role), who.name),
           c.action == schema::control_action::drain           ? "a drain"
           : c.action == schema::control_action::restart_shard ? "a restart of the shard"
                                                               : "a restart of the node");
  const auto failed = [done](const caf::error& err) { done(false, text_of(err)); };
  if (c.action == schema::control_action::restart_shard) {
    self_->request(node_.node, control_timeout, restart_atom::value)
        .then(
            [done](bool ok) {
              done(ok, ok ? "the shard was restarted" : "the node is degraded or draining");
            },
            failed);
    return;
  }
  const auto restart = c.action == schema::control_action::restart_node;
  self_->request(node_.node, control_timeout, drain_atom::value)
      .then(
          [this, done, restart] {
            done(true, restart ? "drained, starting anew" : "drained");
            if (restart && node_.restart_node)
              node_.restart_node();
          },
          failed);
}

// The desk answers every message, so a peer that sends faster than it reads is known here.
void client_connection_state::on_session(schema::session_message m, std::size_t bytes) {
  // Who has sessions here asks for no experts: the part is for those that do.
  if (std::none_of(calls_.begin(), calls_.end(), [](const auto& c) { return c.needs_others; }))
    credits_.reset();
  if (!client_->hello.model || !node_.sessions)
    return send_message(schema::session_message{
        m.id, schema::session_closed{schema::session_end::not_allowed,
                                     node_.sessions ? "the connection was opened for status only"
                                                    : "the node takes no sessions"}});
  if (bytes > schema::max_session_bytes || session_messages_ >= most_session_messages ||
      waiting_bytes_ + bytes > max_waiting_bytes || !hold(bytes))
    return drop("more of its sessions waits than may");
  ++session_messages_;
  waiting_bytes_ += bytes;
  const auto seen = [this, bytes] {
    --session_messages_;
    waiting_bytes_ -= bytes;
    (void) hold(); // less
  };
  auto message = std::make_shared<placed_message>(
      placed_message{self_, client_->identity, client_->peer, std::move(m)});
  self_->request(node_.sessions, caf::infinite, session_atom::value, std::move(message))
      .then(
          [this, seen](bool goes_on) {
            seen();
            if (!goes_on)
              drop("a message of a session makes no sense");
          },
          [this](const caf::error& err) { drop(text_of(err)); });
}

} // namespace larql::actors
