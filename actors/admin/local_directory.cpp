#include "actors/admin/local_directory.hpp"

#include <thread>

namespace larql::actors {

namespace {

// A node that offers memory asks again after this time.
constexpr auto standby_time = std::chrono::milliseconds{1000};

} // namespace

result<std::unique_ptr<local_directory>> local_directory::open(const topology::shard_url& at,
                                                               const tls_context_ptr& tls) {
  auto out = std::unique_ptr<local_directory>{new local_directory};
  LARQL_TRY(out->listener_, open_announce_listener(
                                at, tls, [&n = *out](const auto& node) { return n.decide(node); },
                                [&n = *out](schema::node_description node, secure_stream s) {
                                  n.take(std::move(node), std::move(s));
                                }));
  return out;
}

result<schema::accepted> local_directory::decide(const schema::announce& node) {
  auto out = schema::accepted{};
  if (node.owns)
    return out;
  const auto lock = std::scoped_lock{mutex_};
  offers_.insert(node.node.node);
  out.verdict = schema::verdict::standby;
  out.retry_ms = static_cast<std::uint32_t>(standby_time.count());
  return out;
}

void local_directory::take(schema::node_description node, secure_stream connection) {
  const auto lock = std::scoped_lock{mutex_};
  const auto name = node.node;
  offers_.erase(name);
  // A name stands for one node: one that comes again has restarted or lost its connection.
  here_[name] =
      std::make_shared<connected_node>(connected_node{std::move(node), std::move(connection)});
}

result<std::shared_ptr<local_directory::connected_node>>
local_directory::find(const std::string& node) {
  const auto lock = std::scoped_lock{mutex_};
  const auto it = here_.find(node);
  if (it == here_.end())
    return fail(errc::unavailable, "node {}: has not announced itself", node);
  return it->second;
}

void local_directory::forget(const std::shared_ptr<connected_node>& n) {
  const auto lock = std::scoped_lock{mutex_};
  const auto it = here_.find(n->description.node);
  if (it != here_.end() && it->second == n) // not the one that came in its place
    here_.erase(it);
}

std::vector<std::string> local_directory::names() {
  const auto lock = std::scoped_lock{mutex_};
  auto out = std::vector<std::string>{};
  for (const auto& [name, n] : here_)
    out.push_back(name);
  return out;
}

std::vector<std::string> local_directory::offers() {
  const auto lock = std::scoped_lock{mutex_};
  return {offers_.begin(), offers_.end()};
}

result<node_report> local_directory::query(const std::string& node, time_limit until) {
  LARQL_TRY(const auto n, find(node));
  auto out = query_status(n->connection, n->description, 0, until);
  if (!out)
    forget(n);
  return out;
}

result<std::string> local_directory::control(const std::string& node, schema::control_action action,
                                             time_limit until) {
  LARQL_TRY(const auto n, find(node));
  return actors::send_control(n->connection, n->description, action, until);
}

result<std::vector<directory_entry>> local_directory::query_all(unsigned pings, time_limit until) {
  auto here = decltype(here_){};
  {
    const auto lock = std::scoped_lock{mutex_};
    here = here_;
  }
  auto out = std::vector<directory_entry>(here.size());
  auto threads = std::vector<std::jthread>{};
  auto at = std::size_t{0};
  for (const auto& [name, n] : here)
    threads.emplace_back([&to = out[at++], n = n, pings, until] {
      to.address = n->connection.peer();
      to.report = query_status(n->connection, n->description, pings, until);
    });
  threads.clear(); // joins
  at = 0;
  for (const auto& [name, n] : here)
    if (!out[at++].report)
      forget(n);
  return out;
}

} // namespace larql::actors
