#include "actors/node/session_desk.hpp"

#include "actors/core/errc.hpp"
#include "actors/net/session_match.hpp"
#include "runtime/base/log.hpp"
#include "schema/codec.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

using schema::session_end;

constexpr auto tick_interval = std::chrono::seconds{1};
// Laptops that wait for the service to start.
constexpr auto most_waiting = std::size_t{64};

} // namespace

session_desk_state::session_desk_state(pointer self, session_desk_options options)
    : self_(self), options_(std::move(options)) {}

session_desk_state::~session_desk_state() {
  while (!sessions_.empty())
    close(sessions_.begin(), session_end::leaving, "the node ends");
}

session_desk_state::handle::behavior_type session_desk_state::make_behavior() {
  self_->set_down_handler([this](const caf::down_msg& m) { on_down(m); });
  return {
      [this](session_atom, const placed_message_ptr& m) {
        if (!std::holds_alternative<schema::session_open>(m->what.what))
          return on_message(*m);
        on_open(m);
        return true;
      },
      [this](event_atom, const placed_event_ptr& e) { on_event(*e); },
      [this](start_atom, const session_host_ptr& host) { on_host(host); },
      [this](notice_atom, schema::node_state state) { on_state(state); },
      [this](tick_atom) { on_tick(); },
  };
}

// ---- opening ------------------------------------------------------------------------------------

void session_desk_state::on_open(const placed_message_ptr& asked) {
  const auto& m = *asked;
  if (!m.who.may_open_sessions())
    return turn_away(
        m.from, {}, session_end::not_allowed,
        fmt::format("the certificate of the {} {} does not allow sessions (larql certs "
                    "issue NAME --role {} --allow sessions)",
                    name_of(m.who.role), m.who.name, name_of(m.who.role)));
  if (is_leaving_)
    return turn_away(m.from, {}, session_end::leaving, "the node is about to leave");
  if (host_ != nullptr)
    return open(m);
  if (waiting_.size() >= most_waiting)
    return turn_away(m.from, {}, session_end::full, "too many wait for the node to be ready");
  waiting_.push_back(asked);
  if (std::exchange(is_starting_, true))
    return;
  options_.elsewhere([start = options_.start, desk = caf::actor_cast<session_desk_actor>(self_)] {
    caf::anon_send(desk, start_atom::value, start());
  });
}

void session_desk_state::on_host(const session_host_ptr& host) {
  is_starting_ = false;
  if (host->service)
    host_ = host;
  for (const auto& m : std::exchange(waiting_, {}))
    if (host_ != nullptr)
      open(*m);
    else
      turn_away(m->from, {}, session_end::failed,
                fmt::format("the node cannot compute: {}", host->failed->text));
}

void session_desk_state::open(const placed_message& m) {
  const auto& asked = std::get<schema::session_open>(m.what.what);
  if (const auto differs =
          session_difference(host_->identity, "on the node", asked, "on the laptop");
      !differs.empty())
    return turn_away(m.from, {}, session_end::differs, differs);
  if (!has_share(m.who))
    return turn_away(m.from, {}, session_end::full,
                     fmt::format("{} {} has half of the {} sessions that there are",
                                 name_of(m.who.role), m.who.name, options_.limits.sessions));
  if (sessions_.size() >= options_.limits.sessions && !make_room())
    return turn_away(m.from, {}, session_end::full,
                     fmt::format("{} sessions are open, as many as may", sessions_.size()));
  const auto id = options_.random_id();
  auto& s = sessions_[id];
  s.id = id;
  s.owner = m.who;
  s.peer = m.peer;
  s.used = self_->clock().now();
  options_.counters->sessions = static_cast<std::uint32_t>(sessions_.size());
  options_.counters->sessions_opened.fetch_add(1);
  log_info("session", "{}: a session was opened, {} of {}", s.who(), sessions_.size(),
           options_.limits.sessions);
  link(s, m.from);
  tick_later();
}

// Whoever is known by a certificate has at most half of all; sessions of its own that nobody is
// connected to give way.
bool session_desk_state::has_share(const peer_identity& who) {
  if (!who.until)
    return true;
  const auto most = std::max(1u, options_.limits.sessions / 2);
  auto own = 0u;
  auto idle = sessions_.end();
  for (auto s = sessions_.begin(); s != sessions_.end(); ++s) {
    if (!s->second.belongs_to(who))
      continue;
    ++own;
    if (!s->second.link)
      idle = s;
  }
  if (own < most)
    return true;
  if (idle == sessions_.end())
    return false;
  close(idle, session_end::full, "its laptop opened another one");
  return true;
}

// A session that nobody is connected to gives way, the longest one first: its laptop can go on with
// another one.
bool session_desk_state::make_room() {
  auto oldest = sessions_.end();
  for (auto s = sessions_.begin(); s != sessions_.end(); ++s)
    if (!s->second.link &&
        (oldest == sessions_.end() || s->second.unlinked < oldest->second.unlinked))
      oldest = s;
  if (oldest == sessions_.end())
    return false;
  close(oldest, session_end::full, "another laptop came");
  return true;
}

void session_desk_state::link(placed_session& s, const client_actor& to) {
  s.link = to;
  self_->monitor(to);
  answer(to, {s.id, schema::session_opened{
                        s.orders, host_->context, options_.limits.sequences, host_->kv_bytes,
                        static_cast<std::uint32_t>(options_.limits.kept.count())}});
}

bool session_desk_state::on_resume(const placed_message& m, std::uint64_t received) {
  const auto found = sessions_.find(*m.what.id);
  if (found == sessions_.end() || !found->second.belongs_to(m.who)) {
    turn_away(m.from, m.what.id, session_end::unknown, "there is no such session");
    return true;
  }
  auto& s = found->second;
  if (!s.events.acknowledge(received)) {
    close(found, session_end::broken, "events were acknowledged that there were not");
    return false;
  }
  if (s.link)
    self_->demonitor(s.link.address());
  s.peer = m.peer;
  link(s, m.from);
  s.events.for_each([&](const std::vector<char>& frame) {
    self_->send(s.link, session_atom::value,
                encoded_frame{std::make_shared<std::vector<char>>(frame)});
  });
  keep_pace(s);
  return true;
}

// ---- what laptops say ---------------------------------------------------------------------------

bool session_desk_state::on_message(placed_message& m) {
  if (const auto* resume = std::get_if<schema::session_resume>(&m.what.what))
    return on_resume(m, resume->received);
  if (!m.what.id)
    return false;
  const auto found = sessions_.find(*m.what.id);
  if (found == sessions_.end() || found->second.link != m.from) {
    turn_away(m.from, m.what.id, session_end::unknown, "there is no such session");
    return true;
  }
  auto& s = found->second;
  if (std::holds_alternative<schema::session_closed>(m.what.what)) {
    close(found, session_end::done, "the laptop closed it");
    return true;
  }
  if (const auto* ack = std::get_if<schema::session_acknowledge>(&m.what.what)) {
    if (s.events.acknowledge(ack->event)) {
      keep_pace(s);
      return true;
    }
  } else if (auto* order = std::get_if<schema::session_order>(&m.what.what)) {
    if (on_order(s, *order))
      return true;
  }
  close(found, session_end::broken, "a message came that makes no sense");
  return false;
}

bool session_desk_state::on_order(placed_session& s, schema::session_order& order) {
  if (order.number <= s.orders)
    return true; // it came before the connection was lost
  if (order.number != s.orders + 1)
    return false;
  s.orders = order.number;
  s.used = self_->clock().now();
  if (auto* ask = std::get_if<schema::session_ask>(&order.what)) {
    if (ask->id <= s.last_request)
      return false;
    s.last_request = ask->id;
    on_ask(s, *ask);
    wipe(ask->tokens);
  } else if (const auto found =
                 s.requests.find(std::get<schema::session_cancel>(order.what).request);
             found != s.requests.end()) {
    cancel(found->second);
  }
  return !s.events.is_too_long();
}

// ---- ending -------------------------------------------------------------------------------------

void session_desk_state::close(sessions::iterator at, session_end code, const std::string& why) {
  auto& s = at->second;
  log_info("session", "{}: its session was closed: {}", s.who(), why);
  for (auto& [id, r] : s.requests)
    cancel(r);
  if (s.link) {
    self_->demonitor(s.link.address());
    answer(s.link, {s.id, schema::session_closed{code, why}});
  }
  self_->send(host_->service, forget_atom::value, s.clients());
  sessions_.erase(at);
  options_.counters->sessions = static_cast<std::uint32_t>(sessions_.size());
}

void session_desk_state::on_down(const caf::down_msg& m) {
  for (auto& [id, s] : sessions_)
    if (s.link && s.link.address() == m.source) {
      s.link = nullptr;
      s.unlinked = self_->clock().now();
      log_info("session", "{}: the connection was lost; the session is kept for {} s", s.who(),
               options_.limits.kept.count() / 1000);
    }
}

void session_desk_state::on_state(schema::node_state state) {
  if (state != schema::node_state::draining)
    return;
  is_leaving_ = true;
  while (!sessions_.empty())
    close(sessions_.begin(), session_end::leaving, "the node is about to leave");
}

void session_desk_state::tick_later() {
  if (!std::exchange(ticks_, true))
    self_->delayed_send(self_, tick_interval, tick_atom::value);
}

void session_desk_state::on_tick() {
  ticks_ = false;
  const auto now = self_->clock().now();
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    const auto s = at++;
    if (!s->second.link && now - s->second.unlinked >= options_.limits.kept)
      close(s, session_end::idle, "the laptop did not come back");
    else if (s->second.requests.empty() && now - s->second.used >= options_.limits.idle)
      close(s, session_end::idle,
            fmt::format("nothing was asked for {} minutes", options_.limits.idle.count()));
  }
  if (!sessions_.empty())
    tick_later();
}

void session_desk_state::answer(const client_actor& to, const schema::session_message& m) {
  auto frame = std::make_shared<std::vector<char>>();
  schema::encode(m, *frame);
  self_->send(to, session_atom::value, encoded_frame{std::move(frame)});
}

void session_desk_state::turn_away(const client_actor& to,
                                   const std::optional<schema::session_key>& id, session_end code,
                                   std::string why) {
  answer(to, {id, schema::session_closed{code, std::move(why)}});
}

} // namespace larql::actors
