#include "actors/client_connection.hpp"

#include "actors/errc.hpp"
#include "actors/net/socket.hpp"
#include "runtime/base/log.hpp"
#include "schema/codec.hpp"

namespace larql::actors {

client_connection_state::client_connection_state(pointer self, int fd, std::string peer,
                                                 expert_shard_actor shard, description_ptr node)
    : self_(self),
      fd_(fd),
      peer_(std::move(peer)),
      shard_(std::move(shard)),
      node_(std::move(node)) {}

client_connection_state::~client_connection_state() {
  gone_->store(true);
}

client_connection_state::handle::behavior_type client_connection_state::make_behavior() {
  connection_ = self_->add_scribe(fd_);
  self_->configure_read(connection_, caf::io::receive_policy::exactly(reader_.wanted()));
  return {
      [this](caf::io::new_data_msg& m) { on_data(m); },
      [this](const caf::io::connection_closed_msg&) {
        hang_up(fd_); // the peer may have closed one direction only
        self_->quit();
      },
  };
}

void client_connection_state::on_data(caf::io::new_data_msg& m) {
  auto frame = reader_.take(m.buf);
  if (!frame)
    return drop(frame.error().text);
  self_->configure_read(connection_, caf::io::receive_policy::exactly(reader_.wanted()));
  if (*frame)
    on_frame(std::move(**frame));
}

void client_connection_state::on_frame(std::vector<char> body) {
  const auto m = schema::decode(body);
  if (!m)
    return drop(m.error().text);
  if (const auto* call = std::get_if<schema::expert_call>(&*m)) {
    on_call(call->id, std::move(body));
  } else if (const auto* asked = std::get_if<schema::ping>(&*m)) {
    auto frame = std::vector<char>{};
    schema::encode(schema::pong{asked->nonce, node_->incarnation, served_, waiting_, false}, frame);
    send(frame);
  } else {
    drop("message is neither call nor ping");
  }
}

void client_connection_state::on_call(std::uint64_t id, std::vector<char> body) {
  const auto bytes = body.size();
  if (waiting_ >= window || waiting_bytes_ + bytes > max_waiting_bytes)
    return send_failure(id, schema::failure_code::overloaded,
                        fmt::format("{} calls of this connection, {} bytes, wait already", waiting_,
                                    waiting_bytes_));
  ++waiting_;
  waiting_bytes_ += bytes;
  self_
      ->request(shard_, call_timeout, run_atom::value, id, received_payload(std::move(body), gone_))
      .then(
          [this, bytes](const payload& answer) {
            --waiting_;
            waiting_bytes_ -= bytes;
            ++served_;
            send(*answer.buffer);
          },
          [this, id, bytes](const caf::error& err) {
            --waiting_;
            waiting_bytes_ -= bytes;
            send_failure(id,
                         code_of(err) == call_errc::draining ? schema::failure_code::draining
                                                             : schema::failure_code::internal,
                         text_of(err));
          });
}

void client_connection_state::send(const std::vector<char>& frame) {
  auto& out = self_->wr_buf(connection_);
  if (out.size() + frame.size() > max_unsent_bytes)
    return drop(fmt::format("does not read its answers, {} bytes wait", out.size()));
  out.insert(out.end(), frame.begin(), frame.end());
  self_->flush(connection_);
}

void client_connection_state::send_failure(std::uint64_t id, schema::failure_code code,
                                           const std::string& text) {
  auto frame = std::vector<char>{};
  schema::encode(schema::call_failed{id, node_->incarnation, code, text}, frame);
  send(frame);
}

void client_connection_state::drop(const std::string& why) {
  log_warning("connection", "{}: closed: {}", peer_, why);
  hang_up(fd_);
  self_->close(connection_);
  self_->quit();
}

} // namespace larql::actors
