#include "actors/calls/node_link.hpp"

#include "schema/codec.hpp"

#include <algorithm>

namespace larql::actors {

node_link_state::node_link_state(pointer self, pending_connection connection, description_ptr peer,
                                 std::string address, link_options options)
    : self_(self),
      pending_(std::move(connection)),
      peer_(std::move(peer)),
      address_(std::move(address)),
      options_(std::move(options)),
      state_(peer_->state),
      reached_(peer_->reached) {}

node_link_state::~node_link_state() {
  fail_all("the connection was given up");
  connection_.hang_up(); // what is not sent yet is worth nothing any more
}

node_link_state::handle::behavior_type node_link_state::make_behavior() {
  connection_.open(pending_, self_);
  self_->configure_read(connection_.handle(), caf::io::receive_policy::exactly(reader_.wanted()));
  heard_ = ticked_ = self_->clock().now();
  if (options_.heartbeat.count() != 0)
    self_->delayed_send(self_, options_.heartbeat, tick_atom::value);
  if (!reached_.parts.empty())
    ping(); // only the answer says how many calls a relay takes
  return {
      [this](run_atom, const outgoing_call& call) { return on_run(call); },
      [this](describe_atom) { return peer_; },
      [this](status_atom) {
        status_.round_trip_p50_us = round_trips_.quantile(0.5);
        status_.round_trip_p99_us = round_trips_.quantile(0.99);
        return status_;
      },
      [this](admin_atom, const admin_message_ptr& request) { return on_admin_request(request); },
      [this](tick_atom) { on_tick(); },
      [this](caf::io::new_data_msg& m) { on_data(m); },
      [this](const caf::io::connection_closed_msg&) { on_closed(); },
  };
}

void node_link_state::on_tick() {
  const auto now = self_->clock().now();
  // A tick that is late by a heartbeat and more: this process was stopped. What the node has sent
  // meanwhile may not have been read yet, so it gets one more period.
  const auto late = now - ticked_ > 2 * options_.heartbeat;
  ticked_ = now;
  if (!late && now - heard_ > options_.heartbeat * options_.misses)
    return lose(
        fmt::format("no sign of life for {} ms",
                    std::chrono::duration_cast<std::chrono::milliseconds>(now - heard_).count()));
  ping();
  self_->delayed_send(self_, options_.heartbeat, tick_atom::value);
}

void node_link_state::ping() {
  schema::encode(schema::ping{++nonce_}, self_->wr_buf(connection_.handle()));
  asked_ = self_->clock().now();
  self_->flush(connection_.handle());
}

void node_link_state::on_pong(const schema::pong& p) {
  if (p.incarnation != peer_->incarnation)
    return lose("the node answers with another incarnation");
  if (const auto differs = experts_difference(*peer_, p.owned_digest, options_.owned_digest);
      !differs.empty())
    return lose("the node has " + differs);
  if (p.nonce == nonce_)
    round_trips_.add(
        std::chrono::duration<float, std::micro>(self_->clock().now() - asked_).count());
  if (p.reached != reached_) {
    reached_ = p.reached;
    if (options_.supervisor)
      self_->send(options_.supervisor, reach_atom::value, peer_->incarnation,
                  reach_ptr{std::make_shared<schema::reach>(reached_)});
  }
  if (p.state == state_)
    return;
  state_ = p.state;
  if (options_.supervisor)
    self_->send(options_.supervisor, notice_atom::value, peer_->incarnation, state_);
}

caf::result<received_result> node_link_state::on_run(const outgoing_call& call) {
  // Checked before the promise is made: an error that is returned beside a promise is lost.
  if (find(call.id) != waiting_.end())
    return make_error(failure_code::bad_call,
                      fmt::format("call id {} is in flight already", call.id));
  auto promise = self_->make_response_promise<received_result>();
  waiting_.push_back({call.id, promise, nullptr});
  status_.waiting = static_cast<std::uint32_t>(waiting_.size());
  hand_over(*call.frame, self_->wr_buf(connection_.handle()));
  self_->flush(connection_.handle());
  return promise;
}

caf::result<admin_message_ptr> node_link_state::on_admin_request(const admin_message_ptr& request) {
  auto numbered = *request;
  auto* number = request_id(numbered);
  if (number == nullptr)
    return make_error(failure_code::bad_call, "the message is no request");
  *number = next_admin_id_++;
  auto promise = self_->make_response_promise<admin_message_ptr>();
  admin_requests_.emplace(*number, promise);
  schema::encode(numbered, self_->wr_buf(connection_.handle()));
  self_->flush(connection_.handle());
  return promise;
}

bool node_link_state::answers_admin_request(schema::message& m) {
  const auto* number = request_id(m);
  const auto it = number == nullptr ? admin_requests_.end() : admin_requests_.find(*number);
  if (it == admin_requests_.end())
    return false;
  auto promise = std::move(it->second);
  admin_requests_.erase(it);
  promise.deliver(admin_message_ptr{std::make_shared<schema::message>(std::move(m))});
  return true;
}

void node_link_state::on_data(caf::io::new_data_msg& m) {
  auto frame = reader_.take(m.buf);
  if (!frame)
    return lose(frame.error().text);
  heard_ = self_->clock().now();
  self_->configure_read(connection_.handle(), caf::io::receive_policy::exactly(reader_.wanted()));
  if (*frame)
    on_frame(*std::move(frame));
}

void node_link_state::on_frame(shared_buffer body) {
  auto m = schema::decode(*body);
  if (!m)
    return lose(m.error().text);
  if (const auto* done = std::get_if<schema::expert_result>(&*m)) {
    on_result(*done, std::move(body));
  } else if (const auto* failed = std::get_if<schema::call_failed>(&*m)) {
    if (failed->incarnation == peer_->incarnation)
      fail_call(failed->id, failed->code, failed->text);
  } else if (answers_admin_request(*m)) {
    return;
  } else if (const auto* alive = std::get_if<schema::pong>(&*m)) {
    on_pong(*alive);
  } else {
    lose("the node sent a message that a laptop does not expect");
  }
}

void node_link_state::on_result(const schema::expert_result& r, shared_buffer body) {
  const auto it = find(r.id);
  if (it == waiting_.end() || r.incarnation != peer_->incarnation)
    return; // late, or of a node that is no more
  if (r.is_piece() || it->pieces) {
    if (!it->pieces)
      it->pieces = std::make_unique<partial_result>();
    const auto whole = it->pieces->add(r);
    if (!whole)
      return lose(whole.error().text);
    if (!*whole)
      return;
  }
  const auto pieces = std::move(it->pieces);
  auto promise = std::move(it->promise);
  waiting_.erase(it);
  ++status_.served;
  status_.waiting = static_cast<std::uint32_t>(waiting_.size());
  deliver(self_, answers_, promise, pieces ? pieces->take() : received_result{std::move(body), r});
}

std::vector<node_link_state::waiting_call>::iterator node_link_state::find(std::uint64_t id) {
  return std::find_if(waiting_.begin(), waiting_.end(),
                      [id](const waiting_call& w) { return w.id == id; });
}

void node_link_state::fail_call(std::uint64_t id, failure_code code, const std::string& text) {
  const auto it = find(id);
  if (it == waiting_.end())
    return;
  auto promise = std::move(it->promise);
  waiting_.erase(it);
  ++status_.served;
  ++status_.failed;
  status_.waiting = static_cast<std::uint32_t>(waiting_.size());
  promise.deliver(make_error(code, fmt::format("node {} ({}): {}", peer_->node, address_, text)));
}

void node_link_state::fail_all(const std::string& why) {
  while (!waiting_.empty())
    fail_call(waiting_.front().id, failure_code::link_lost, why);
  for (auto& [number, promise] : std::exchange(admin_requests_, {}))
    promise.deliver(make_error(failure_code::link_lost,
                               fmt::format("node {} ({}): {}", peer_->node, address_, why)));
}

void node_link_state::on_closed() {
  lose("the connection was closed");
}

void node_link_state::lose(const std::string& why) {
  fail_all(why);
  connection_.hang_up(); // still open, even if it was the peer that closed
  self_->close(connection_.handle());
  self_->quit(make_error(failure_code::link_lost, why));
}

} // namespace larql::actors
