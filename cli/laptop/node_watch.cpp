#include "cli/laptop/node_watch.hpp"

#include "actors/core/interfaces.hpp"

#include <algorithm>

namespace larql::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto usual_interval = 5s;
constexpr auto watched_interval = 1s;
constexpr auto looking_time = 5s; // somebody who looks asks several times a second
constexpr auto ask_timeout = 1s;

using milliseconds = std::chrono::duration<double, std::milli>;

milliseconds from_microseconds(float us) {
  return std::chrono::duration<double, std::micro>{us};
}

void take(serve::node_numbers& to, const schema::node_status& s) {
  to.owned_bytes = s.owned_bytes;
  to.resident_bytes = s.resident_bytes;
  to.process_bytes = s.rss_bytes;
  to.calls = s.served;
  to.failed = s.failed;
  to.waiting = s.waiting;
  to.load_percent = s.load_percent;
}

} // namespace

// All are asked before the first answer is waited for: one that does not answer delays no other.
node_watch::numbers_by_node node_watch::ask(const actors::cluster_view& view) const {
  auto self = caf::scoped_actor{system_};
  const auto ask_link = [&](const actors::node_link_actor& link) {
    return self->request(link, ask_timeout, actors::status_atom::value);
  };
  const auto request = actors::admin_message_ptr{
      std::make_shared<schema::message>(schema::message{schema::ask_status{}})};
  const auto ask_node = [&](const actors::node_link_actor& link) {
    return self->request(link, ask_timeout, actors::admin_atom::value, request);
  };
  struct question {
    std::uint64_t incarnation;
    decltype(ask_link(std::declval<const actors::node_link_actor&>())) link;
    decltype(ask_node(std::declval<const actors::node_link_actor&>())) node;
  };
  auto questions = std::vector<question>{};
  for (const auto& m : view.members)
    if (const auto link = caf::actor_cast<actors::node_link_actor>(m.shard))
      questions.push_back({m.description->incarnation, ask_link(link), ask_node(link)});
  auto out = numbers_by_node{};
  const auto ignore = [](const caf::error&) {}; // it went away meanwhile
  for (auto& q : questions) {
    auto numbers = serve::node_numbers{};
    auto is_known = false;
    q.link.receive(
        [&](const actors::shard_status& s) {
          numbers.round_trip_p50 = from_microseconds(s.round_trip_p50_us);
          numbers.round_trip_p99 = from_microseconds(s.round_trip_p99_us);
          is_known = true;
        },
        ignore);
    q.node.receive(
        [&](const actors::admin_message_ptr& m) {
          if (const auto* status = std::get_if<schema::node_status>(m.get()))
            take(numbers, *status);
        },
        ignore);
    if (is_known)
      out.emplace(q.incarnation, numbers);
  }
  return out;
}

void node_watch::refresh() {
  if (nodes_ == nullptr)
    return;
  const auto now = std::chrono::steady_clock::now();
  auto interval = std::chrono::seconds{usual_interval};
  {
    const auto lock = std::scoped_lock{mutex_};
    history_.look(nodes_now(), now);
    if (now - looked_at_ < looking_time)
      interval = watched_interval;
  }
  if (now - asked_ < interval)
    return;
  asked_ = now;
  auto fresh = ask(*nodes_->status()->view);
  const auto lock = std::scoped_lock{mutex_};
  numbers_ = std::move(fresh);
}

// @pre the mutex is held
std::vector<serve::picture_node> node_watch::nodes_now() const {
  auto out = std::vector<serve::picture_node>{};
  const auto status = nodes_->status();
  const auto late = nodes_->late();
  for (const auto& m : status->view->members) {
    const auto& d = *m.description;
    const auto is_late =
        m.is_usable() && std::find(late.begin(), late.end(), d.incarnation) != late.end();
    out.push_back({d.node, m.address, is_late ? "suspect" : schema::name_of(m.state), {}, d.owned});
    if (const auto known = numbers_.find(d.incarnation); known != numbers_.end())
      out.back().numbers = known->second;
  }
  const auto refuses = [&](const std::string& name) {
    return std::any_of(status->targets.begin(), status->targets.end(),
                       [&](const actors::target_status& t) { return t.refused && t.name == name; });
  };
  for (const auto& a : status->view->missing)
    out.push_back({a.name, a.address, refuses(a.name) ? "refused" : "lost", a.why, a.owned});
  return out;
}

node_watch::picture node_watch::look() {
  if (nodes_ == nullptr)
    return {};
  const auto now = std::chrono::steady_clock::now();
  const auto lock = std::scoped_lock{mutex_};
  looked_at_ = now;
  history_.look(nodes_now(), now);
  return {history_.nodes(), history_.events()};
}

std::vector<serve::node_latency> node_watch::latencies() const {
  auto out = std::vector<serve::node_latency>{};
  if (nodes_ == nullptr)
    return out;
  const auto lock = std::scoped_lock{mutex_};
  for (const auto& m : nodes_->status()->view->members)
    if (const auto known = numbers_.find(m.description->incarnation); known != numbers_.end())
      out.push_back({m.description->node, m.address,
                     std::chrono::duration<double>(known->second.round_trip_p50).count(),
                     std::chrono::duration<double>(known->second.round_trip_p99).count()});
  return out;
}

std::uint32_t node_watch::count() const {
  return nodes_ == nullptr ? 0 : static_cast<std::uint32_t>(nodes_->status()->view->members.size());
}

} // namespace larql::cli
