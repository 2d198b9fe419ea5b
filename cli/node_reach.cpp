#include "cli/node_reach.hpp"

#include "cli/cluster_visit.hpp"
#include "cli/joining.hpp"

#include <algorithm>

namespace larql::cli {

namespace {

using steady = std::chrono::steady_clock;

std::string listed(const std::vector<std::string>& names) {
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

// Where the file or a DNS name says that it is. `others` are the names of those that are not it.
std::optional<topology::shard_url> find_address(const topology::cluster& c,
                                                const actors::tls_context_ptr& tls,
                                                const std::string& name,
                                                std::vector<std::string>& others) {
  if (const auto* known = c.find_node(name))
    return known->address;
  for (const auto& n : c.nodes)
    if (to_string(n.address) == name || host_port(n.address) == name)
      return n.address;
  const auto cluster = visit_all(c, tls, 0);
  for (const auto& n : cluster.nodes) {
    if (n.report && n.report->description.node == name)
      return n.at;
    others.push_back(n.name());
  }
  return {};
}

reached_node dialled(const topology::shard_url& at, const actors::tls_context_ptr& tls,
                     std::chrono::milliseconds connect) {
  const auto dial_until = [connect](actors::time_limit until) {
    return std::min(steady::now() + connect, until);
  };
  return {[=](actors::time_limit until) { return actors::inquire(at, tls, 0, dial_until(until)); },
          [=](schema::control_action what, actors::time_limit until) {
            return actors::tell(at, tls, what, dial_until(until), until);
          }};
}

reached_node joined(std::shared_ptr<actors::joined_nodes> nodes, const std::string& name,
                    std::chrono::milliseconds connect) {
  return {[=](actors::time_limit until) {
            return nodes->inquire(name, std::min(steady::now() + connect, until));
          },
          [=](schema::control_action what, actors::time_limit until) {
            return nodes->tell(name, what, until);
          }};
}

} // namespace

result<reached_node> reach(const topology::cluster& c, const actors::tls_context_ptr& tls,
                           const std::string& name, double wait_s) {
  auto others = std::vector<std::string>{};
  if (const auto at = find_address(c, tls, name, others))
    return dialled(*at, tls, c.limits.connect);
  const auto came = [&](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  LARQL_TRY(auto nodes, meet_nodes(c, tls, wait_s, came));
  if (!nodes)
    return fail(errc::usage, "no node is called \"{}\"; there are: {}", name, listed(others));
  const auto names = nodes->names();
  if (!came(names))
    return fail(errc::unavailable, "no node is called \"{}\"; there are: {}; announced at {}: {}",
                name, listed(others), host_port(*c.find.join), listed(names));
  return joined(std::move(nodes), name, c.limits.connect);
}

} // namespace larql::cli
