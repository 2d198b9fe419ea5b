#include "actors/admin/find_node.hpp"

#include "actors/admin/cluster_survey.hpp"
#include "actors/admin/meet_nodes.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

using steady = std::chrono::steady_clock;

std::string listed(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

// Where the file or a DNS name says that it is. `known_names` are the names of those that are not
// it.
std::optional<topology::shard_url> find_address(const topology::cluster& c,
                                                const tls_context_ptr& tls, const std::string& name,
                                                std::vector<std::string>& known_names) {
  if (const auto* known = c.find_node(name))
    return known->address;
  for (const auto& n : c.nodes)
    if (to_string(n.address) == name || host_port(n.address) == name)
      return n.address;
  auto connections = node_connections{tls};
  const auto cluster = survey_cluster(c, connections, 0);
  for (const auto& n : cluster.nodes) {
    if (n.report && n.report->description.node == name)
      return n.at;
    known_names.push_back(n.name());
  }
  return {};
}

found_node dialled(const topology::shard_url& at, const tls_context_ptr& tls,
                   std::chrono::milliseconds connect) {
  const auto dial_until = [connect](time_limit until) {
    return std::min(steady::now() + connect, until);
  };
  return {[=](time_limit until) { return query_status(at, tls, 0, dial_until(until)); },
          [=](schema::control_action what, time_limit until) {
            return send_control(at, tls, what, dial_until(until), until);
          }};
}

found_node announced(std::shared_ptr<node_directory> nodes, const std::string& name,
                     std::chrono::milliseconds connect) {
  return {[=](time_limit until) {
            return nodes->query(name, std::min(steady::now() + connect, until));
          },
          [=](schema::control_action what, time_limit until) {
            return nodes->control(name, what, until);
          }};
}

} // namespace

result<found_node> find_node(const topology::cluster& c, const tls_context_ptr& tls,
                             const std::string& name, double wait_s, const notice_fn& notice,
                             const std::stop_token& stop) {
  auto known_names = std::vector<std::string>{};
  if (const auto at = find_address(c, tls, name, known_names))
    return dialled(*at, tls, c.limits.connect);
  const auto has_announced = [&](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  LARQL_TRY(auto nodes, meet_nodes(c, tls, wait_s, has_announced, notice, stop));
  if (!nodes)
    return fail(errc::usage, "no node is called \"{}\"; there are: {}", name, listed(known_names));
  const auto names = nodes->names();
  if (!has_announced(names))
    return fail(errc::unavailable, "no node is called \"{}\"; there are: {}; announced at {}: {}",
                name, listed(known_names), host_port(*c.find.join), listed(names));
  return announced(std::move(nodes), name, c.limits.connect);
}

} // namespace larql::actors
