#include "actors/admin/cluster_survey.hpp"

#include "actors/net/handshake.hpp"

#include <algorithm>
#include <set>
#include <thread>

namespace larql::actors {

namespace {

using steady = std::chrono::steady_clock;

// What the topology says must be what the node says.
result<node_report> check(const surveyed_node& n, result<node_report> r) {
  if (r && !n.expected_name.empty() && r->description.node != n.expected_name)
    return fail(errc::mismatch, "{}: the node calls itself {}, the topology calls it {}",
                to_string(n.at), r->description.node, n.expected_name);
  return r;
}

void add_dns(const topology::cluster& c, cluster_survey& out) {
  for (const auto& name : c.find.dns) {
    const auto found = resolve_all({name.host, name.port});
    if (!found) {
      out.unresolved.push_back(found.error().text);
      continue;
    }
    for (const auto& host : *found) {
      const auto at = topology::shard_url{host, name.port, name.tls};
      const auto known = std::any_of(out.nodes.begin(), out.nodes.end(),
                                     [&](const surveyed_node& n) { return n.at == at; });
      if (!known)
        out.nodes.push_back({{}, at, node_report{}, false});
    }
  }
}

} // namespace

std::string surveyed_node::name() const {
  if (report)
    return report->description.node;
  return expected_name.empty() ? to_string(at) : expected_name;
}

const char* surveyed_node::state() const {
  if (!report && report.error().text.find(loading_reason) != std::string::npos)
    return name_of(schema::node_state::loading);
  if (!report)
    switch (report.error().code) {
    case errc::deadline: return "suspect";
    case errc::mismatch:
    case errc::corrupt:
    case errc::usage: return "refused";
    default: return "down";
    }
  return name_of(report->status.state);
}

cluster_survey survey_cluster(const topology::cluster& c, node_connections& connections,
                              unsigned pings, node_directory* directory) {
  auto out = cluster_survey{};
  for (const auto& n : c.nodes)
    out.nodes.push_back({n.name, n.address, node_report{}, false});
  add_dns(c, out);
  auto queries = std::vector<std::jthread>{};
  for (auto& n : out.nodes)
    queries.emplace_back([&n, &connections, pings, until = steady::now() + c.limits.connect] {
      n.report = check(n, connections.query(n.at, pings, until));
    });
  auto announced = result{std::vector<directory_entry>{}};
  if (directory != nullptr)
    announced = directory->query_all(pings, steady::now() + c.limits.connect);
  queries.clear(); // waits for them
  if (!announced) {
    out.unresolved.push_back(announced.error().text);
    announced = std::vector<directory_entry>{};
  }
  for (auto& n : *announced)
    if (auto at = topology::parse_host_port(n.address, "address")) {
      at->tls = connections.is_tls();
      out.nodes.push_back({{}, *std::move(at), std::move(n.report), true});
    }
  // One node by two addresses, IPv4 and IPv6 for example; or one that is listed and announced
  // itself.
  auto seen = std::set<std::uint64_t>{};
  std::erase_if(out.nodes, [&](const surveyed_node& n) {
    return n.report && !seen.insert(n.report->description.incarnation).second;
  });
  return out;
}

} // namespace larql::actors
