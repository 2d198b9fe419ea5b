#include "cli/cluster_visit.hpp"

#include <algorithm>
#include <set>
#include <thread>

namespace larql::cli {

namespace {

using steady = std::chrono::steady_clock;

// What the topology says must be what the node says.
result<actors::node_report> check(const visited_node& n, result<actors::node_report> r) {
  if (r && !n.expected_name.empty() && r->description.node != n.expected_name)
    return fail(errc::mismatch, "{}: the node calls itself {}, the topology calls it {}",
                to_string(n.at), r->description.node, n.expected_name);
  return r;
}

void add_dns(const topology::cluster& c, visited_cluster& out) {
  for (const auto& name : c.find.dns) {
    const auto found = actors::resolve_all({name.host, name.port});
    if (!found) {
      out.unresolved.push_back(found.error().text);
      continue;
    }
    for (const auto& host : *found) {
      const auto at = topology::shard_url{host, name.port, name.tls};
      const auto known = std::any_of(out.nodes.begin(), out.nodes.end(),
                                     [&](const visited_node& n) { return n.at == at; });
      if (!known)
        out.nodes.push_back({{}, at, actors::node_report{}, false});
    }
  }
}

} // namespace

std::string visited_node::name() const {
  if (report)
    return report->description.node;
  return expected_name.empty() ? to_string(at) : expected_name;
}

const char* visited_node::state() const {
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

visited_cluster visit_all(const topology::cluster& c, const actors::tls_context_ptr& tls,
                          unsigned pings, actors::joined_nodes* joined) {
  auto out = visited_cluster{};
  for (const auto& n : c.nodes)
    out.nodes.push_back({n.name, n.address, actors::node_report{}, false});
  add_dns(c, out);
  auto visits = std::vector<std::jthread>{};
  for (auto& n : out.nodes)
    visits.emplace_back([&n, &tls, pings, until = steady::now() + c.limits.connect] {
      n.report = check(n, actors::inquire(n.at, tls, pings, until));
    });
  auto came = result{std::vector<actors::announced_node>{}};
  if (joined != nullptr)
    came = joined->ask(pings, steady::now() + c.limits.connect);
  visits.clear(); // waits for them
  if (!came) {
    out.unresolved.push_back(came.error().text);
    came = std::vector<actors::announced_node>{};
  }
  for (auto& n : *came)
    if (auto at = topology::parse_host_port(n.address, "address")) {
      at->tls = tls != nullptr;
      out.nodes.push_back({{}, *std::move(at), std::move(n.report), true});
    }
  // One node by two addresses, IPv4 and IPv6 for example; or one that is listed and announced
  // itself.
  auto seen = std::set<std::uint64_t>{};
  std::erase_if(out.nodes, [&](const visited_node& n) {
    return n.report && !seen.insert(n.report->description.incarnation).second;
  });
  return out;
}

} // namespace larql::cli
