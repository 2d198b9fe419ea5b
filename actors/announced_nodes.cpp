#include "actors/announced_nodes.hpp"

#include <thread>

namespace larql::actors {

namespace {

// A node that offers memory asks again after this time.
constexpr auto standby_time = std::chrono::milliseconds{1000};

} // namespace

result<std::unique_ptr<announced_nodes>> announced_nodes::open(const topology::shard_url& at,
                                                               const tls_context_ptr& tls) {
  auto out = std::unique_ptr<announced_nodes>{new announced_nodes};
  LARQL_TRY(out->desk_, open_join_desk(
                            at, tls, [&n = *out](const auto& node) { return n.decide(node); },
                            [&n = *out](schema::node_description node, stream s) {
                              n.take(std::move(node), std::move(s));
                            }));
  return out;
}

result<schema::accepted> announced_nodes::decide(const schema::announce& node) {
  auto out = schema::accepted{};
  if (node.owns)
    return out;
  const auto lock = std::scoped_lock{mutex_};
  offers_.insert(node.node.node);
  out.verdict = schema::verdict::standby;
  out.retry_ms = static_cast<std::uint32_t>(standby_time.count());
  return out;
}

void announced_nodes::take(schema::node_description node, stream connection) {
  const auto lock = std::scoped_lock{mutex_};
  const auto name = node.node;
  offers_.erase(name);
  // A name stands for one node: whoever comes again has restarted or lost its connection.
  here_[name] = std::make_shared<visitor>(visitor{std::move(node), std::move(connection)});
}

result<std::shared_ptr<announced_nodes::visitor>> announced_nodes::find(const std::string& node) {
  const auto lock = std::scoped_lock{mutex_};
  const auto it = here_.find(node);
  if (it == here_.end())
    return fail(errc::unavailable, "node {}: has not announced itself", node);
  return it->second;
}

void announced_nodes::forget(const std::shared_ptr<visitor>& v) {
  const auto lock = std::scoped_lock{mutex_};
  const auto it = here_.find(v->description.node);
  if (it != here_.end() && it->second == v) // not the one that came in its place
    here_.erase(it);
}

std::vector<std::string> announced_nodes::names() {
  const auto lock = std::scoped_lock{mutex_};
  auto out = std::vector<std::string>{};
  for (const auto& [name, v] : here_)
    out.push_back(name);
  return out;
}

std::vector<std::string> announced_nodes::offers() {
  const auto lock = std::scoped_lock{mutex_};
  return {offers_.begin(), offers_.end()};
}

result<node_report> announced_nodes::inquire(const std::string& node, time_limit until) {
  LARQL_TRY(const auto v, find(node));
  auto out = question(v->connection, v->description, 0, until);
  if (!out)
    forget(v);
  return out;
}

result<std::string> announced_nodes::tell(const std::string& node, schema::control_action action,
                                          time_limit until) {
  LARQL_TRY(const auto v, find(node));
  return actors::tell(v->connection, v->description, action, until);
}

result<std::vector<announced_node>> announced_nodes::ask(unsigned pings, time_limit until) {
  auto here = decltype(here_){};
  {
    const auto lock = std::scoped_lock{mutex_};
    here = here_;
  }
  auto out = std::vector<announced_node>(here.size());
  auto threads = std::vector<std::jthread>{};
  auto at = std::size_t{0};
  for (const auto& [name, v] : here)
    threads.emplace_back([&to = out[at++], v = v, pings, until] {
      to.address = v->connection.peer();
      to.report = question(v->connection, v->description, pings, until);
    });
  threads.clear(); // joins
  at = 0;
  for (const auto& [name, v] : here)
    if (!out[at++].report)
      forget(v);
  return out;
}

} // namespace larql::actors
