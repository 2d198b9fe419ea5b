#include "actors/visitor.hpp"

#include "actors/errc.hpp"
#include "actors/net/socket.hpp"
#include "actors/question.hpp"
#include "runtime/base/log.hpp"
#include "schema/codec.hpp"

#include <algorithm>

namespace larql::actors {

visitor_state::visitor_state(pointer self, visit v) : self_(self), visit_(std::move(v)) {}

visitor_state::~visitor_state() {
  visit_.visitors->fetch_sub(1);
}

visitor_state::handle::behavior_type visitor_state::make_behavior() {
  auto scribe = visit_.connection.open(self_->system());
  connection_ = scribe->hdl();
  self_->add_scribe(std::move(scribe));
  self_->configure_read(connection_, caf::io::receive_policy::exactly(reader_.wanted()));
  self_->monitor(visit_.supervisor);
  self_->set_down_handler([this](const caf::down_msg&) { end(); });
  self_->delayed_send(self_, max_visit, tick_atom::value);
  return {
      [this](tick_atom) { end(); },
      [this](caf::io::new_data_msg& m) { on_data(m); },
      [this](const caf::io::connection_closed_msg&) { end(); },
  };
}

void visitor_state::on_data(caf::io::new_data_msg& m) {
  const auto frame = reader_.take(m.buf);
  if (!frame) {
    log_warning("visitor", "{}: closed: {}", visit_.peer, frame.error().text);
    return end();
  }
  self_->configure_read(connection_, caf::io::receive_policy::exactly(reader_.wanted()));
  if (*frame)
    on_frame(**frame);
}

void visitor_state::on_frame(const std::vector<char>& body) {
  auto m = schema::decode(body);
  const auto* ping = m ? std::get_if<schema::ping>(&*m) : nullptr;
  const auto* status = m ? std::get_if<schema::ask_status>(&*m) : nullptr;
  const auto* control = m ? std::get_if<schema::control>(&*m) : nullptr;
  if (ping != nullptr)
    return pass_on(ping->node, *ping);
  if (status != nullptr)
    return pass_on(status->node, *status);
  if (control == nullptr) {
    log_warning("visitor", "{}: closed: {}", visit_.peer,
                m ? "the message is no question" : m.error().text);
    return end();
  }
  if (const auto no = objection(*control); !no.empty())
    return send_message(schema::controlled{control->id, false, no});
  pass_on(control->node, *control);
}

std::string visitor_state::objection(const schema::control&) const {
  if (!visit_.who.may_control())
    return fmt::format("a {} may not control a node, only an operator may",
                       name_of(visit_.who.role));
  if (!visit_.laptop.may_control())
    return fmt::format("the node is connected to a laptop whose certificate is one of a {}, and a "
                       "node takes orders over that connection only from an operator: end the "
                       "command that runs on the laptop, or run it with an operator's certificate",
                       name_of(visit_.laptop.role));
  return {};
}

void visitor_state::pass_on(std::uint64_t node, schema::message question) {
  self_->request(visit_.supervisor, status_timeout, status_atom::value)
      .then(
          [this, node, question = std::move(question)](const cluster_status_ptr& now) {
            const auto& all = now->view->members;
            const auto it = std::find_if(all.begin(), all.end(), [&](const cluster_member& m) {
              return m.announced && m.description->incarnation == node;
            });
            if (it == all.end())
              return send_message(schema::refused{"the node is not connected any more"});
            ask(caf::actor_cast<expert_shard_link>(it->shard), question);
          },
          [this](const caf::error& err) { send_message(schema::refused{text_of(err)}); });
}

void visitor_state::ask(const expert_shard_link& node, schema::message question) {
  const auto number = *number_of(question);
  const auto is_control = std::holds_alternative<schema::control>(question);
  const auto timeout = is_control ? caf::duration{control_timeout} : caf::duration{status_timeout};
  self_
      ->request(node, timeout, ask_atom::value,
                question_ptr{std::make_shared<schema::message>(std::move(question))})
      .then(
          [this, number](const question_ptr& answer) {
            auto out = *answer;
            *number_of(out) = number; // the connection had given it one of its own
            send_message(out);
          },
          [this](const caf::error& err) { send_message(schema::refused{text_of(err)}); });
}

void visitor_state::send_message(const schema::message& m) {
  schema::encode(m, self_->wr_buf(connection_));
  self_->flush(connection_);
}

void visitor_state::end() {
  hang_up(visit_.connection.fd); // the peer may have closed one direction only
  self_->close(connection_);
  self_->quit();
}

} // namespace larql::actors
