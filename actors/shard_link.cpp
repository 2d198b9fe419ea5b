#include "actors/shard_link.hpp"

#include "actors/net/socket.hpp"
#include "schema/codec.hpp"

namespace larql::actors {

namespace {

call_errc code_for(schema::failure_code code) {
  switch (code) {
  case schema::failure_code::not_owner: return call_errc::not_owner;
  case schema::failure_code::bad_call: return call_errc::bad_call;
  case schema::failure_code::overloaded: return call_errc::overloaded;
  case schema::failure_code::draining: return call_errc::draining;
  case schema::failure_code::internal: break;
  }
  return call_errc::node_failed;
}

} // namespace

shard_link_state::shard_link_state(pointer self, int fd, description_ptr peer, std::string address)
    : self_(self), fd_(fd), peer_(std::move(peer)), address_(std::move(address)) {}

shard_link_state::~shard_link_state() {
  fail_all("the connection was given up");
  if (self_->valid(connection_)) // what is not sent yet is worth nothing any more
    hang_up(fd_);
}

shard_link_state::handle::behavior_type shard_link_state::make_behavior() {
  connection_ = self_->add_scribe(fd_);
  self_->configure_read(connection_, caf::io::receive_policy::exactly(reader_.wanted()));
  return {
      [this](run_atom, std::uint64_t id, const payload& call) { return on_run(id, call); },
      [this](describe_atom) { return peer_; },
      [this](status_atom) { return status_; },
      [](drain_atom) -> caf::result<void> {
        return make_error(call_errc::bad_call, "a link cannot drain its node");
      },
      [this](caf::io::new_data_msg& m) { on_data(m); },
      [this](const caf::io::connection_closed_msg&) { on_closed(); },
  };
}

caf::result<payload> shard_link_state::on_run(std::uint64_t id, const payload& call) {
  // Before the promise is made: an error that is returned beside one reaches nobody.
  if (waiting_.contains(id))
    return make_error(call_errc::bad_call, fmt::format("call id {} is in flight already", id));
  auto promise = self_->make_response_promise<payload>();
  waiting_.emplace(id, promise);
  status_.waiting = static_cast<std::uint32_t>(waiting_.size());
  auto& out = self_->wr_buf(connection_);
  out.insert(out.end(), call.buffer->begin(), call.buffer->end());
  self_->flush(connection_);
  return promise;
}

void shard_link_state::on_data(caf::io::new_data_msg& m) {
  auto frame = reader_.take(m.buf);
  if (!frame)
    return lose(frame.error().text);
  self_->configure_read(connection_, caf::io::receive_policy::exactly(reader_.wanted()));
  if (*frame)
    on_frame(std::move(**frame));
}

void shard_link_state::on_frame(std::vector<char> body) {
  const auto m = schema::decode(body);
  if (!m)
    return lose(m.error().text);
  if (const auto* done = std::get_if<schema::expert_result>(&*m)) {
    const auto it = waiting_.find(done->id);
    if (it == waiting_.end() || done->incarnation != peer_->incarnation)
      return; // late, or of a node that is no more
    auto promise = std::move(it->second);
    waiting_.erase(it);
    ++status_.served;
    status_.waiting = static_cast<std::uint32_t>(waiting_.size());
    promise.deliver(received_payload(std::move(body)));
  } else if (const auto* failed = std::get_if<schema::call_failed>(&*m)) {
    if (failed->incarnation == peer_->incarnation)
      fail_call(failed->id, code_for(failed->code), failed->text);
  } else if (!std::holds_alternative<schema::pong>(*m)) {
    lose("the node sent a message that only a laptop sends");
  }
}

void shard_link_state::fail_call(std::uint64_t id, call_errc code, const std::string& text) {
  const auto it = waiting_.find(id);
  if (it == waiting_.end())
    return;
  auto promise = std::move(it->second);
  waiting_.erase(it);
  ++status_.served;
  ++status_.failed;
  status_.waiting = static_cast<std::uint32_t>(waiting_.size());
  promise.deliver(make_error(code, fmt::format("node {} ({}): {}", peer_->node, address_, text)));
}

void shard_link_state::fail_all(const std::string& why) {
  while (!waiting_.empty())
    fail_call(waiting_.begin()->first, call_errc::link_lost, why);
}

void shard_link_state::on_closed() {
  lose("the connection was closed");
}

void shard_link_state::lose(const std::string& why) {
  fail_all(why);
  hang_up(fd_); // still open, even if it was the peer that closed
  self_->close(connection_);
  self_->quit(make_error(call_errc::link_lost,
                         fmt::format("node {} ({}): {}", peer_->node, address_, why)));
}

} // namespace larql::actors
