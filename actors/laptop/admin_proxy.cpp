#include "actors/laptop/admin_proxy.hpp"

#include "actors/core/admin_message.hpp"
#include "actors/core/errc.hpp"
#include "runtime/base/log.hpp"
#include "schema/codec.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

// How often the connection looks at its time and at whether its peer reads.
constexpr auto look_interval = std::chrono::seconds{3};

} // namespace

admin_proxy_state::admin_proxy_state(pointer self, admin_connection c)
    : self_(self), admin_(std::move(c)) {}

admin_proxy_state::~admin_proxy_state() {
  admin_.connections->fetch_sub(1);
}

admin_proxy_state::handle::behavior_type admin_proxy_state::make_behavior() {
  connection_.open(admin_.connection, self_);
  self_->configure_read(connection_.handle(), caf::io::receive_policy::exactly(reader_.wanted()));
  self_->monitor(admin_.supervisor);
  self_->set_down_handler([this](const caf::down_msg&) { end(); });
  until_ = self_->clock().now() + max_duration;
  self_->delayed_send(self_, look_interval, tick_atom::value);
  return {
      [this](tick_atom) { on_tick(); },
      [this](caf::io::new_data_msg& m) { on_data(m); },
      [this](const caf::io::connection_closed_msg&) { end(); },
  };
}

void admin_proxy_state::on_data(caf::io::new_data_msg& m) {
  const auto frame = reader_.take(m.buf);
  if (!frame)
    return end_because(frame.error().text);
  self_->configure_read(connection_.handle(), caf::io::receive_policy::exactly(reader_.wanted()));
  if (*frame)
    on_frame(**frame);
}

void admin_proxy_state::on_frame(const std::vector<char>& body) {
  auto m = schema::decode(body);
  const auto* ping = m ? std::get_if<schema::ping>(&*m) : nullptr;
  const auto* status = m ? std::get_if<schema::ask_status>(&*m) : nullptr;
  const auto* control = m ? std::get_if<schema::control>(&*m) : nullptr;
  if (ping != nullptr)
    return forward_to_node(ping->node, *ping);
  if (status != nullptr)
    return forward_to_node(status->node, *status);
  if (control == nullptr)
    return end_because(m ? "the message is no request" : m.error().text);
  if (const auto no = objection(*control); !no.empty())
    return send_message(schema::controlled{control->id, false, no});
  forward_to_node(control->node, *control);
}

std::string admin_proxy_state::objection(const schema::control&) const {
  if (!admin_.who.may_control())
    return fmt::format("a {} may not control a node, only an operator may",
                       name_of(admin_.who.role));
  if (!admin_.laptop.may_control())
    return fmt::format("the node is connected to a laptop whose certificate is one of a {}, and a "
                       "node takes orders over that connection only from an operator: end the "
                       "command that runs on the laptop, or run it with an operator's certificate",
                       name_of(admin_.laptop.role));
  return {};
}

void admin_proxy_state::forward_to_node(std::uint64_t node, schema::message request) {
  if (pending_ >= max_pending)
    return end_because(fmt::format("{} requests wait for an answer already", pending_));
  ++pending_; // until an answer is sent
  self_->request(admin_.supervisor, status_timeout, status_atom::value)
      .then(
          [this, node, request = std::move(request)](const cluster_status_ptr& now) {
            const auto& all = now->view->members;
            const auto it = std::find_if(all.begin(), all.end(), [&](const cluster_member& m) {
              return m.announced && m.description->incarnation == node;
            });
            if (it == all.end())
              return answer(schema::refused{"the node is not connected any more"});
            send_to(caf::actor_cast<node_link_actor>(it->shard), request);
          },
          [this](const caf::error& err) { answer(schema::refused{text_of(err)}); });
}

void admin_proxy_state::answer(const schema::message& m) {
  --pending_;
  send_message(m);
}

void admin_proxy_state::send_to(const node_link_actor& node, schema::message request) {
  const auto id = *request_id(request);
  const auto is_control = std::holds_alternative<schema::control>(request);
  const auto timeout = is_control ? caf::duration{control_timeout} : caf::duration{status_timeout};
  self_
      ->request(node, timeout, admin_atom::value,
                admin_message_ptr{std::make_shared<schema::message>(std::move(request))})
      .then(
          [this, id](const admin_message_ptr& answer) {
            auto out = *answer;
            *request_id(out) = id; // the connection had given it one of its own
            this->answer(out);
          },
          [this](const caf::error& err) { answer(schema::refused{text_of(err)}); });
}

void admin_proxy_state::send_message(const schema::message& m) {
  if (ended_)
    return;
  if (const auto waits = connection_.unsent(); waits > max_unsent_bytes)
    return end_because(fmt::format("does not read its answers, {} bytes wait", waits));
  schema::encode(m, self_->wr_buf(connection_.handle()));
  self_->flush(connection_.handle());
}

void admin_proxy_state::on_tick() {
  const auto now = self_->clock().now();
  if (now >= until_)
    return end();
  if (!reading_.look(connection_, now))
    return end_because("does not read its answers");
  self_->delayed_send(self_, std::min<caf::actor_clock::duration_type>(look_interval, until_ - now),
                      tick_atom::value);
}

void admin_proxy_state::end_because(const std::string& why) {
  log_warning("admin", "{}: closed: {}", admin_.peer, why);
  end();
}

void admin_proxy_state::end() {
  ended_ = true;
  connection_.hang_up(); // the peer may have closed one direction only
  self_->close(connection_.handle());
  self_->quit();
}

} // namespace larql::actors
