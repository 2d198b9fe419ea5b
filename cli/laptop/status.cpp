// larql status: who is there, how they are, and who has which experts.

#include "actors/admin/cluster_survey.hpp"
#include "actors/admin/meet_nodes.hpp"
#include "actors/net/model_match.hpp"
#include "cli/laptop/report.hpp"
#include "cli/support/cluster_flags.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/progress.hpp"
#include "cli/support/table.hpp"
#include "runtime/base/json.hpp"

#include <algorithm>
#include <unistd.h>

namespace larql::cli {

namespace {

struct options {
  cluster_flags cluster;
  bool watch = false;
  double interval = 2; ///< seconds
  unsigned pings = 20;
  double wait = actors::default_announce_wait_s;
  bool json = false;
};

struct snapshot {
  actors::cluster_survey nodes;
  std::vector<topology::coverage_row> coverage; ///< by nodes that serve; empty if no node answered
  std::optional<schema::model_identity> model;
  std::vector<std::string> offers; ///< nodes that offer memory and own nothing yet
  std::string other_model;         ///< a node that serves another one, and what differs

  [[nodiscard]] bool is_complete() const {
    return !coverage.empty() && other_model.empty() &&
           std::none_of(coverage.begin(), coverage.end(),
                        [](const auto& row) { return row.owners.empty(); });
  }
};

snapshot take_snapshot(const topology::cluster& c, const actors::tls_context_ptr& tls,
                       unsigned pings, actors::node_directory* directory) {
  auto out = snapshot{};
  out.nodes = actors::survey_cluster(c, tls, pings, directory);
  if (directory != nullptr)
    out.offers = directory->offers();
  auto parts = std::vector<topology::coverage_part>{};
  for (const auto& n : out.nodes.nodes) {
    if (!n.report)
      continue;
    const auto& model = n.report->description.model;
    if (!out.model)
      out.model = model;
    else if (const auto differs = actors::model_difference(*out.model, model); !differs.empty())
      out.other_model = fmt::format("{}: {}", n.name(), differs);
    if (n.report->status.state == schema::node_state::serving)
      parts.push_back({n.name(), n.report->description.owned});
  }
  if (out.model)
    out.coverage = topology::coverage_table(parts, out.model->layers, out.model->experts);
  return out;
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? "-" : fmt::format("{} %", part * 100 / whole);
}

std::string milliseconds(const std::vector<float>& us, double share) {
  return us.empty() ? "-" : fmt::format("{:.2f}", quantile(us, share) / 1e3f);
}

void print_snapshot(const snapshot& p) {
  auto t =
      table{{"NODE", "STATE", "ADDRESS", "EXPERTS", "LAYERS", "RTT P50", "P99 MS", "WAITING",
             "SERVED", "FAILED", "RESIDENT", "OWNED", "LOAD", "UP", "RESTARTS", "INCARNATION"}};
  for (const auto& n : p.nodes.nodes) {
    if (!n.report) {
      t.add({n.name(), n.state(), to_string(n.at)});
      continue;
    }
    const auto& s = n.report->status;
    const auto& d = n.report->description;
    t.add({n.name(), n.state(), to_string(n.at), to_string(d.owned.experts),
           to_string(d.owned.layers), milliseconds(n.report->round_trips_us, 0.5),
           milliseconds(n.report->round_trips_us, 0.99), fmt::format("{}", s.waiting),
           fmt::format("{}", s.served), fmt::format("{}", s.failed),
           percent(s.resident_bytes, s.owned_bytes), format_bytes(s.owned_bytes),
           fmt::format("{} %", s.load_percent),
           format_duration(std::chrono::seconds{s.uptime_ms / 1000}), fmt::format("{}", s.restarts),
           fmt::format("{:016x}", d.incarnation)});
  }
  fmt::print("{}", t.text());
  for (const auto& n : p.nodes.nodes)
    if (!n.report)
      fmt::print("  {}: {}\n", n.name(), n.report.error().text);
  for (const auto& why : p.nodes.unresolved)
    fmt::print("  {}\n", why);
  if (!p.offers.empty())
    fmt::print("  joining, with memory to offer and no experts yet: {}\n",
               fmt::join(p.offers, ", "));
  if (!p.other_model.empty())
    fmt::print("  another model: {}\n", p.other_model);
  if (p.coverage.empty()) {
    fmt::print("\nno node answers\n");
    return;
  }
  fmt::print("\n");
  auto c = table{{"EXPERTS", "LAYERS", "SERVED BY"}};
  for (const auto& row : p.coverage)
    c.add({to_string(row.area.experts), to_string(row.area.layers),
           row.owners.empty() ? "GAP: nobody serves these"
                              : fmt::format("{}", fmt::join(row.owners, ", "))});
  fmt::print("{}\n{}: {}\n", c.text(), p.model->name,
             p.is_complete() ? "complete" : "NOT COMPLETE");
}

json to_json(const snapshot& p) {
  const auto range = [](experts::index_range r) {
    return json{{"first", r.first}, {"last", r.last}};
  };
  auto nodes = json::array();
  for (const auto& n : p.nodes.nodes) {
    auto j = json{{"name", n.name()},
                  {"state", n.state()},
                  {"address", to_string(n.at)},
                  {"announced", n.announced}};
    if (!n.report) {
      j["error"] = n.report.error().text;
    } else {
      const auto& d = n.report->description;
      const auto& s = n.report->status;
      const auto& rtt = n.report->round_trips_us;
      j.update({{"incarnation", fmt::format("{:016x}", d.incarnation)},
                {"experts", range(d.owned.experts)},
                {"layers", range(d.owned.layers)},
                {"round_trip_p50_us", quantile(rtt, 0.5)},
                {"round_trip_p99_us", quantile(rtt, 0.99)},
                {"waiting", s.waiting},
                {"served", s.served},
                {"failed", s.failed},
                {"connections", s.connections},
                {"restarts", s.restarts},
                {"uptime_ms", s.uptime_ms},
                {"owned_bytes", s.owned_bytes},
                {"resident_bytes", s.resident_bytes},
                {"rss_bytes", s.rss_bytes},
                {"load_percent", s.load_percent}});
    }
    nodes.push_back(std::move(j));
  }
  auto coverage = json::array();
  for (const auto& row : p.coverage)
    coverage.push_back({{"experts", range(row.area.experts)},
                        {"layers", range(row.area.layers)},
                        {"nodes", row.owners}});
  auto out = json{{"complete", p.is_complete()}, {"nodes", nodes}, {"coverage", coverage}};
  if (p.model)
    out["model"] = {
        {"name", p.model->name}, {"layers", p.model->layers}, {"experts", p.model->experts}};
  if (!p.other_model.empty())
    out["other_model"] = p.other_model;
  if (!p.offers.empty())
    out["joining"] = p.offers;
  if (!p.nodes.unresolved.empty())
    out["unresolved"] = p.nodes.unresolved;
  return out;
}

result<int> status(const options& o) {
  LARQL_TRY(const auto cluster, read_named_cluster(o.cluster));
  LARQL_TRY(const auto tls, actors::tls_context::from(cluster.protect));
  const auto signals = interrupt_scope{};
  const auto stop = signals.token();
  LARQL_TRY(const auto directory, actors::meet_nodes(cluster, tls, o.wait, {}, stop));
  auto complete = false;
  do {
    const auto p = take_snapshot(cluster, tls, o.pings, directory.get());
    complete = p.is_complete();
    if (o.watch && !o.json && ::isatty(STDOUT_FILENO) != 0)
      fmt::print("\x1b[H\x1b[2J"); // home, clear
    if (o.json)
      fmt::print("{}\n",
                 to_json(p).dump(o.watch ? -1 : 2, ' ', false, json::error_handler_t::replace));
    else
      print_snapshot(p);
    std::fflush(stdout);
  } while (o.watch && actors::pause(o.interval, stop));
  return complete ? exit_ok : exit_failure;
}

} // namespace

void add_status(CLI::App& app, action& chosen) {
  auto* command = app.add_subcommand(
      "status", "Show the nodes and who has which experts; exit code 1 if experts are missing");
  auto o = std::make_shared<options>();
  add_cluster_flags(*command, o->cluster);
  command->add_flag("-w,--watch", o->watch, "Again and again, until Ctrl-C");
  command->add_option("--interval", o->interval, "Seconds between looks, with --watch")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command->add_option("--pings", o->pings, "Round trips to measure per node")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_wait_flag(*command, o->wait);
  command->add_flag("--json", o->json, "For programs; with --watch one object per line");
  command->callback([o, &chosen] { chosen = [o] { return exit_code(status(*o)); }; });
}

} // namespace larql::cli
