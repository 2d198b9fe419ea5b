// larql drain and larql restart: tell a node to finish what it has, or to start anew.

#include "actors/admin/find_node.hpp"
#include "actors/admin/meet_nodes.hpp"
#include "cli/support/cluster_flags.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/number_check.hpp"

#include <thread>

namespace larql::cli {

namespace {

using steady = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct options {
  cluster_flags cluster;
  std::string node;
  unsigned timeout_s = 60;
  double wait = actors::default_announce_wait_s;
  bool shard = false;
};

double seconds_since(steady::time_point begin) {
  return std::chrono::duration<double>(steady::now() - begin).count();
}

result<actors::found_node> find(const options& o, const std::stop_token& stop) {
  LARQL_TRY(const auto cluster, read_named_cluster(o.cluster));
  LARQL_TRY(const auto tls, actors::tls_context::from(cluster.protect));
  return actors::find_node(cluster, tls, o.node, o.wait, say_line, stop);
}

result<void> drain(const options& o, const std::stop_token& stop) {
  LARQL_TRY(const auto node, find(o, stop));
  const auto begin = steady::now();
  LARQL_TRY(const auto answer,
            node.control(schema::control_action::drain, begin + std::chrono::seconds{o.timeout_s}));
  print("node {}: {} after {:.1f} s; it takes no calls until it is restarted\n", o.node, answer,
        seconds_since(begin));
  return {};
}

// The node has said goodbye; waits until its successor serves.
result<void> wait_for_successor(const actors::found_node& node, std::uint64_t old, const options& o,
                                steady::time_point until, const std::stop_token& stop) {
  auto why = std::string{"no answer"};
  while (steady::now() < until && !stop.stop_requested()) {
    const auto now = node.query(until);
    if (!now)
      why = now.error().text;
    else if (now->description.incarnation == old)
      why = fmt::format("incarnation {:016x} still answers", old);
    else if (now->status.state != schema::node_state::serving)
      why = "it is loading";
    else
      return {};
    std::this_thread::sleep_for(50ms);
  }
  if (stop.stop_requested())
    return fail(errc::cancelled, "node {}: stopped while it restarts", o.node);
  return fail(errc::deadline, "node {}: drained, but does not serve again after {} s: {}", o.node,
              o.timeout_s, why);
}

result<void> restart(const options& o, const std::stop_token& stop) {
  LARQL_TRY(const auto node, find(o, stop));
  const auto begin = steady::now();
  const auto until = begin + std::chrono::seconds{o.timeout_s};
  LARQL_TRY(const auto before, node.query(until));
  const auto what =
      o.shard ? schema::control_action::restart_shard : schema::control_action::restart_node;
  LARQL_TRY(const auto answer, node.control(what, until));
  if (o.shard) {
    print("node {}: {} after {:.1f} s\n", o.node, answer, seconds_since(begin));
    return {};
  }
  print("node {}: {}\n", o.node, answer);
  LARQL_TRY_VOID(wait_for_successor(node, before.description.incarnation, o, until, stop));
  print("node {}: serves again after {:.1f} s\n", o.node, seconds_since(begin));
  return {};
}

void add_node_command(command_parser& app, action& chosen, const char* name, const char* help,
                      result<void> (*run)(const options&, const std::stop_token&)) {
  auto command = app.add_command(name, help);
  auto o = std::make_shared<options>();
  command.add_option("node", o->node, "Its name, or its address").required();
  add_cluster_flags(command, o->cluster);
  command.add_option("--timeout", o->timeout_s, "Seconds to wait until it is done")
      .check(whole_number(1, 86400))
      .show_default();
  add_wait_flag(command, o->wait);
  if (run == restart)
    command.add_flag("--shard", o->shard,
                     "Only the shard, behind the call it computes; connections stay");
  command.footer(fmt::format("larql {0} alpha --topology cluster.toml\n"
                             "larql {0} 10.0.0.7:9470 --topology cluster.toml --timeout 300",
                             name));
  command.callback([o, run, &chosen] {
    chosen = [o, run] {
      const auto signals = interrupt_scope{};
      return exit_code(run(*o, signals.token()));
    };
  });
}

} // namespace

void add_control(command_parser& app, action& chosen) {
  add_node_command(app, chosen, "drain",
                   "Let a node finish what it has and take nothing more; replicas take over",
                   drain);
  add_node_command(app, chosen, "restart", "Drain a node and start it anew", restart);
}

} // namespace larql::cli
