// The connection's requests that are no calls: status, orders of an operator, sessions.

#include "actors/core/errc.hpp"
#include "actors/node/client_connection.hpp"
#include "actors/node/session_desk.hpp"
#include "runtime/base/log.hpp"

namespace larql::actors {

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
