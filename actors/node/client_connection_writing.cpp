// What a connection of a node sends: messages as they come, and between them answers in pieces.

#include "actors/node/client_connection.hpp"
#include "runtime/base/log.hpp"
#include "schema/codec.hpp"

#include <utility>

namespace larql::actors {

// A node that is about to leave gives everything to the connection, which outlives this.
void client_connection_state::on_state(schema::node_state state) {
  node_.state = state;
  if (state != schema::node_state::draining || long_answers_.empty())
    return;
  auto& out = self_->wr_buf(connection_.handle());
  for (const auto& a : std::exchange(long_answers_, {}))
    out.insert(out.end(), a.frames->begin() + static_cast<std::ptrdiff_t>(a.begun),
               a.frames->end());
  node_.counters->bytes_out.fetch_add(std::exchange(long_bytes_, 0));
  self_->flush(connection_.handle());
  self_->ack_writes(connection_.handle(), false);
  after_writing();
}

// The next piece, once the connection has taken all that it was given.
void client_connection_state::send_pieces() {
  auto& out = self_->wr_buf(connection_.handle());
  if (long_answers_.empty() || connection_.unsent() != 0 || !out.empty())
    return;
  auto& a = long_answers_.front();
  const auto rest = std::span<const char>{*a.frames}.subspan(a.begun);
  const auto bytes = schema::frame_bytes(rest);
  out.insert(out.end(), rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(bytes));
  node_.counters->bytes_out.fetch_add(bytes);
  a.begun += bytes;
  long_bytes_ -= bytes;
  if (bytes == rest.size())
    long_answers_.pop_front();
  self_->flush(connection_.handle());
  if (long_answers_.empty())
    self_->ack_writes(connection_.handle(), false);
}

void client_connection_state::send_message(const schema::message& m) {
  const auto frame = own_frames_.take();
  frame->clear();
  schema::encode(m, *frame);
  send(*frame);
}

void client_connection_state::send(std::vector<char>& frame) {
  if (!hold(frame.size()))
    return drop(why_full());
  write(frame);
}

void client_connection_state::write(std::vector<char>& frame) {
  const auto before = unsent();
  if (before + frame.size() > max_unsent_bytes)
    return drop(fmt::format("does not read its answers, {} bytes wait", before));
  node_.counters->bytes_out.fetch_add(frame.size());
  hand_over(frame, self_->wr_buf(connection_.handle()));
  self_->flush(connection_.handle());
  after_writing();
}

void client_connection_state::after_writing() {
  (void) hold();
  const auto now = self_->clock().now();
  (void) reading_.look(connection_, now); // begins to count, if something waits
  if (const auto look = reading_.next_look(connection_, now))
    wake_by(*look);
}

void client_connection_state::send_failure(std::uint64_t id, failure_code code,
                                           const std::string& text) {
  send_message(schema::call_failed{id, node_.description->incarnation, code, text});
}

void client_connection_state::drop(const std::string& why) {
  log_warning("connection", "{}: closed: {}", client_->peer, why);
  connection_.hang_up();
  self_->close(connection_.handle());
  self_->quit();
}

} // namespace larql::actors
