#include "actors/admin/proxied_directory.hpp"

#include "actors/net/dial.hpp"
#include "actors/net/handshake.hpp"
#include "actors/net/handshake_hints.hpp"

#include <thread>

namespace larql::actors {

proxied_directory::proxied_directory(topology::shard_url at, tls_context_ptr tls,
                                     std::chrono::milliseconds timeout)
    : at_(std::move(at)), tls_(std::move(tls)), timeout_(timeout) {}

result<std::unique_ptr<proxied_directory>>
proxied_directory::open(const topology::shard_url& at, const tls_context_ptr& tls,
                        std::chrono::milliseconds timeout) {
  auto out = std::unique_ptr<proxied_directory>{new proxied_directory{at, tls, timeout}};
  LARQL_TRY(const auto first, out->connect());
  (void) first;
  return out;
}

result<proxied_directory::laptop_connection> proxied_directory::connect() const {
  const auto until = std::chrono::steady_clock::now() + timeout_;
  LARQL_TRY(auto connection, dial_laptop(at_, tls_, until));
  LARQL_TRY(auto here, with_hint(request_node_list(connection, admin_hello(), until), tls_));
  return laptop_connection{std::move(connection), std::move(here)};
}

result<schema::node_description> proxied_directory::find(const laptop_connection& c,
                                                         const std::string& node) const {
  for (const auto& entry : c.here.nodes)
    if (entry.node.node == node)
      return entry.node;
  return fail(errc::unavailable, "node {}: is not connected to the laptop at {}", node,
              host_port(at_));
}

std::vector<std::string> proxied_directory::names() {
  auto out = std::vector<std::string>{};
  if (const auto laptop = connect())
    for (const auto& entry : laptop->here.nodes)
      out.push_back(entry.node.node);
  return out;
}

result<std::vector<directory_entry>> proxied_directory::query_all(unsigned pings,
                                                                  time_limit until) {
  LARQL_TRY(const auto all, connect());
  auto out = std::vector<directory_entry>(all.here.nodes.size());
  auto threads = std::vector<std::jthread>{};
  for (auto i = std::size_t{0}; i < out.size(); ++i)
    threads.emplace_back([this, &to = out[i], &from = all.here.nodes[i], pings, until] {
      to.address = from.address;
      // A connection each, so that a node that does not answer does not delay the others.
      if (const auto laptop = connect())
        to.report = query_status(laptop->connection, from.node, pings, until);
      else
        to.report = laptop.error();
    });
  threads.clear(); // joins
  return out;
}

result<node_report> proxied_directory::query(const std::string& node, time_limit until) {
  LARQL_TRY(const auto laptop, connect());
  LARQL_TRY(const auto description, find(laptop, node));
  return query_status(laptop.connection, description, 0, until);
}

result<std::string> proxied_directory::control(const std::string& node,
                                               schema::control_action action, time_limit until) {
  LARQL_TRY(const auto laptop, connect());
  LARQL_TRY(const auto description, find(laptop, node));
  return actors::send_control(laptop.connection, description, action, until);
}

} // namespace larql::actors
