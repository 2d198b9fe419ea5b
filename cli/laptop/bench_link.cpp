#include "cli/laptop/bench_link.hpp"

#include "cli/support/number_check.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace larql::cli {

namespace {

struct standard_link {
  std::string_view name;
  double round_trip_ms;
  double down_mbit, up_mbit; // 0: no limit
};

// Loopback is the same proxy without distance: what it costs itself.
constexpr auto standard_links =
    std::array{standard_link{"loopback", 0, 0, 0}, standard_link{"lan", 0.25, 1000, 1000},
               standard_link{"metro", 10, 250, 100}, standard_link{"home", 45, 100, 40},
               standard_link{"far", 90, 50, 20}};

constexpr auto bytes_of_mbit = 1e6 / 8;
// What a router with active queue management lets wait (RFC 8290), by the rate down.
constexpr auto queue_seconds = 0.010;
constexpr auto least_queue_mbit = 30.0; // 37.5 kB: two pieces

std::chrono::nanoseconds milliseconds(double ms) {
  return std::chrono::nanoseconds{static_cast<std::int64_t>(ms * 1e6)};
}

// Where a node's address leads, as a number; the node notices a connection that ends at once.
result<actors::endpoint> reached(const topology::shard_url& at, actors::time_limit until) {
  LARQL_TRY(const auto s, actors::dial({at.host, at.port}, until));
  LARQL_TRY(const auto number, topology::parse_host_port(s.peer(), "address"));
  return actors::endpoint{number.host, number.port};
}

} // namespace

void add_link_options(command_parser& command, link_options& o) {
  auto names = std::vector<std::string>{};
  for (const auto& l : standard_links)
    names.emplace_back(l.name);
  command.add_option("--wan", o.name, "Put a link between this machine and the nodes")
      .one_of(names)
      .group("Link");
  command
      .add_option("--wan-jitter", o.jitter_ms, "Milliseconds by which each piece is late at most")
      .check(number_between(0, 10'000))
      .group("Link");
  command.add_option("--wan-stall-every", o.stall_every_s, "Mean seconds between stalls; 0: none")
      .check(number_between(0, 3600))
      .group("Link");
  command.add_option("--wan-stall", o.stall_ms, "Milliseconds of a stall")
      .check(number_between(0, 60'000))
      .group("Link");
  command.add_flag("--no-slow-start", o.no_slow_start, "Leave out the window of TCP").group("Link");
}

actors::wan_profile profile_of(const link_options& o) {
  const auto* const l = std::find_if(standard_links.begin(), standard_links.end(),
                                     [&](const standard_link& x) { return x.name == o.name; });
  LARQL_CHECK(l != standard_links.end());
  auto p = actors::wan_profile{};
  p.round_trip = milliseconds(l->round_trip_ms);
  p.jitter = milliseconds(o.jitter_ms);
  const auto queue_mbit = std::max(l->down_mbit, least_queue_mbit);
  p.queue_bytes = static_cast<std::size_t>(queue_mbit * bytes_of_mbit * queue_seconds);
  p.down_bytes_per_second = l->down_mbit * bytes_of_mbit;
  p.up_bytes_per_second = l->up_mbit * bytes_of_mbit;
  p.stall_every = milliseconds(o.stall_every_s * 1e3);
  p.stall_length = milliseconds(o.stall_ms);
  p.first_window_bytes = o.no_slow_start ? 0 : actors::tcp_first_window_bytes;
  return p;
}

result<bench_link> start_link(const link_options& o, topology::cluster& nodes,
                              const std::stop_token& stop) {
  if (nodes.find.enabled() || nodes.nodes.empty())
    return fail(errc::usage, "--wan stands before nodes with addresses; nodes that announce "
                             "themselves or stand behind a name would not use it");
  const auto profile = profile_of(o);
  const auto until = std::chrono::steady_clock::now() + nodes.limits.connect;
  auto targets = std::vector<actors::endpoint>{};
  for (const auto& n : nodes.nodes) {
    LARQL_TRY(auto target, reached(n.address, until));
    targets.push_back(std::move(target));
  }
  LARQL_TRY(const auto facts, actors::measure_link(profile, stop));
  LARQL_TRY(auto proxies, actors::wan_link::start(targets, profile));
  for (auto i = std::size_t{0}; i < targets.size(); ++i) {
    nodes.nodes[i].address.host = "127.0.0.1";
    nodes.nodes[i].address.port = proxies.port(i);
  }
  return bench_link{o.name, profile, facts, std::move(proxies)};
}

} // namespace larql::cli
