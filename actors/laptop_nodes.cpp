#include "actors/laptop_nodes.hpp"

#include "actors/dialler.hpp"
#include "actors/net/handshake.hpp"
#include "actors/net/handshake_hints.hpp"

#include <thread>

namespace larql::actors {

laptop_nodes::laptop_nodes(topology::shard_url at, tls_context_ptr tls,
                           std::chrono::milliseconds timeout)
    : at_(std::move(at)), tls_(std::move(tls)), timeout_(timeout) {}

result<std::unique_ptr<laptop_nodes>> laptop_nodes::open(const topology::shard_url& at,
                                                         const tls_context_ptr& tls,
                                                         std::chrono::milliseconds timeout) {
  auto out = std::unique_ptr<laptop_nodes>{new laptop_nodes{at, tls, timeout}};
  LARQL_TRY(const auto first, out->visit_laptop());
  (void) first;
  return out;
}

result<laptop_nodes::visit> laptop_nodes::visit_laptop() const {
  const auto until = std::chrono::steady_clock::now() + timeout_;
  LARQL_TRY(auto connection, dial_laptop(at_, tls_, until));
  LARQL_TRY(auto here, with_hint(greet_laptop_of_nodes(connection, visitor_hello(), until), tls_));
  return visit{std::move(connection), std::move(here)};
}

result<schema::node_description> laptop_nodes::find(const visit& v, const std::string& node) const {
  for (const auto& entry : v.here.nodes)
    if (entry.node.node == node)
      return entry.node;
  return fail(errc::unavailable, "node {}: is not connected to the laptop at {}", node,
              host_port(at_));
}

std::vector<std::string> laptop_nodes::names() {
  auto out = std::vector<std::string>{};
  if (const auto v = visit_laptop())
    for (const auto& entry : v->here.nodes)
      out.push_back(entry.node.node);
  return out;
}

result<std::vector<announced_node>> laptop_nodes::ask(unsigned pings, time_limit until) {
  LARQL_TRY(const auto all, visit_laptop());
  auto out = std::vector<announced_node>(all.here.nodes.size());
  auto threads = std::vector<std::jthread>{};
  for (auto i = std::size_t{0}; i < out.size(); ++i)
    threads.emplace_back([this, &to = out[i], &from = all.here.nodes[i], pings, until] {
      to.address = from.address;
      // A connection each: one node that does not answer keeps nobody waiting.
      if (const auto v = visit_laptop())
        to.report = question(v->laptop, from.node, pings, until);
      else
        to.report = v.error();
    });
  threads.clear(); // joins
  return out;
}

result<node_report> laptop_nodes::inquire(const std::string& node, time_limit until) {
  LARQL_TRY(const auto v, visit_laptop());
  LARQL_TRY(const auto description, find(v, node));
  return question(v.laptop, description, 0, until);
}

result<std::string> laptop_nodes::tell(const std::string& node, schema::control_action action,
                                       time_limit until) {
  LARQL_TRY(const auto v, visit_laptop());
  LARQL_TRY(const auto description, find(v, node));
  return actors::tell(v.laptop, description, action, until);
}

} // namespace larql::actors
