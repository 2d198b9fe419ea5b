// larql status: who is there, how they are, and who has which experts.

#include "actors/admin/cluster_survey.hpp"
#include "actors/admin/meet_nodes.hpp"
#include "actors/net/member_files.hpp"
#include "actors/net/model_match.hpp"
#include "cli/laptop/report.hpp"
#include "cli/support/cluster_flags.hpp"
#include "cli/support/command.hpp"
#include "cli/support/interrupt.hpp"
#include "cli/support/number_check.hpp"
#include "cli/support/progress.hpp"
#include "cli/support/table.hpp"
#include "runtime/base/json.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/index_json.hpp"

#include <algorithm>
#include <cmath>
#include <unistd.h>

namespace larql::cli {

namespace {

// Which nodes have answers of their own only, and who differs from a node with the same experts.
std::vector<std::string> notes_on_answers(const actors::cluster_survey& survey) {
  auto out = std::vector<std::string>{};
  const auto has_own = [](const auto& n) { return n.report && n.report->status.own_answers; };
  for (auto i = survey.nodes.begin(); i != survey.nodes.end(); ++i) {
    if (!has_own(*i))
      continue;
    const auto& own = *i->report->status.own_answers;
    // The first one that owns the same counts.
    const auto first = std::find_if(survey.nodes.begin(), i, [&](const auto& n) {
      return has_own(n) && n.report->description.owned == i->report->description.owned;
    });
    if (first != i && *first->report->status.own_answers != own)
      out.push_back(fmt::format("{} and {} own the same experts and answer differently: one of "
                                "them is wrong",
                                first->name(), i->name()));
    else
      out.push_back(fmt::format("{}: there is no table of known answers; its own, first seen: {}",
                                i->name(), to_hex(own).substr(0, 16)));
  }
  return out;
}

// Which nodes' weights nobody can compare yet.
std::vector<std::string> notes_on_weights(const actors::cluster_survey& survey) {
  auto out = std::vector<std::string>{};
  for (const auto& n : survey.nodes)
    if (n.report && !n.report->status.owned_digest && !n.report->description.owned_digest &&
        !n.report->description.model.weights_digest)
      out.push_back(fmt::format("{}: weights unverified: the digests of its experts are not known "
                                "there (yet)",
                                n.name()));
  return out;
}

// What relays do beside their own work.
std::vector<std::string> notes_on_relays(const actors::cluster_survey& survey) {
  auto out = std::vector<std::string>{};
  for (const auto& n : survey.nodes) {
    if (!n.report || n.report->status.reached_nodes + n.report->status.forwarded_calls == 0)
      continue;
    const auto& s = n.report->status;
    const auto mean_ms = [](std::uint64_t ns, std::uint64_t of) {
      return of == 0 ? 0.0 : static_cast<double>(ns) / 1e6 / static_cast<double>(of);
    };
    out.push_back(fmt::format("{}: a relay for {} other nodes: {} rows of its own, {:.2f} ms each; "
                              "{} rows forwarded in {} calls, {:.2f} ms a call",
                              n.name(), s.reached_nodes, s.rows, mean_ms(s.compute_ns, s.rows),
                              s.forwarded_rows, s.forwarded_calls,
                              mean_ms(s.forward_ns, s.forwarded_calls)));
  }
  return out;
}

struct options {
  cluster_flags cluster;
  bool watch = false;
  double interval = 2; ///< seconds
  unsigned pings = 20;
  double wait = actors::default_announce_wait_s;
  bool json = false;
  bool wide = false;
};

struct snapshot {
  actors::cluster_survey nodes;
  std::vector<topology::coverage_row> coverage; ///< by nodes that serve; empty if no node answered
  std::optional<schema::model_identity> model;
  std::vector<std::string> offers;       ///< nodes that offer memory and own nothing yet
  std::vector<std::string> other_models; ///< nodes that serve another one, and what differs

  [[nodiscard]] bool is_complete() const {
    return !coverage.empty() && std::none_of(coverage.begin(), coverage.end(),
                                             [](const auto& row) { return row.owners.empty(); });
  }
};

// The model that the cluster file names, if it is on this machine.
std::optional<schema::model_identity> model_here(const topology::cluster& c) {
  if (c.model.empty() || c.model.starts_with("hf://"))
    return std::nullopt;
  const auto model = vindex::read_index(c.model);
  if (!model)
    return std::nullopt;
  const auto weights = vindex::name_weights(c.model, *model);
  if (!weights)
    return std::nullopt;
  return actors::identity_of(*model, *weights);
}

// Else the one that most nodes serve; of several the first.
std::optional<schema::model_identity> model_of_most(const actors::cluster_survey& s) {
  auto out = std::optional<schema::model_identity>{};
  auto most = std::ptrdiff_t{0};
  for (const auto& n : s.nodes) {
    if (!n.report)
      continue;
    const auto& model = n.report->description.model;
    const auto alike = std::count_if(s.nodes.begin(), s.nodes.end(), [&](const auto& other) {
      return other.report &&
             actors::model_difference(model, "", other.report->description.model, "").empty();
    });
    if (alike > most) {
      most = alike;
      out = model;
    }
  }
  return out;
}

snapshot take_snapshot(const topology::cluster& c, actors::node_connections& connections,
                       unsigned pings, actors::node_directory* directory) {
  auto out = snapshot{};
  out.nodes = actors::survey_cluster(c, connections, pings, directory);
  if (directory != nullptr)
    out.offers = directory->offers();
  auto parts = std::vector<topology::coverage_part>{};
  auto where = std::string_view{"here"};
  out.model = model_here(c);
  if (!out.model) {
    out.model = model_of_most(out.nodes);
    where = "on most nodes";
  }
  for (const auto& n : out.nodes.nodes) {
    if (!n.report)
      continue;
    const auto& model = n.report->description.model;
    if (const auto differs = actors::model_difference(*out.model, where, model, "there");
        !differs.empty()) { // no laptop would use it
      out.other_models.push_back(fmt::format("{}: {}", n.name(), differs));
      continue;
    }
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

// Certificates of nodes that people should renew.
std::vector<std::string> expiring_certificates(const snapshot& p) {
  auto out = std::vector<std::string>{};
  const auto now = std::chrono::system_clock::now();
  for (const auto& n : p.nodes.nodes)
    if (n.report && n.report->certificate_until &&
        *n.report->certificate_until - now < actors::expiry_notice)
      out.push_back(fmt::format(
          "{}: its certificate expires in {} days, on {}: larql certs issue", n.name(),
          std::chrono::floor<std::chrono::days>(*n.report->certificate_until - now).count(),
          actors::date_of(*n.report->certificate_until)));
  return out;
}

// What the cluster file calls it, or it itself; its address has a column.
std::string short_name(const actors::surveyed_node& n) {
  return n.report || !n.expected_name.empty() ? n.name() : std::string{"-"};
}

// Fits 100 columns with names and addresses of ordinary length.
void print_nodes(const snapshot& p) {
  auto t = table{{"NODE", "STATE", "ADDRESS", "EXPERTS", "LAYERS", "RTT MS", "WAITING", "FAILED",
                  "RESIDENT", "UP"}};
  for (const auto& n : p.nodes.nodes) {
    if (!n.report) {
      t.add({short_name(n), n.state(), host_port(n.at)});
      continue;
    }
    const auto& s = n.report->status;
    const auto& d = n.report->description;
    t.add({n.name(), n.state(), host_port(n.at), to_string(d.owned.experts),
           to_string(d.owned.layers), milliseconds(n.report->round_trips_us, 0.5),
           fmt::format("{}", s.waiting), fmt::format("{}", s.failed),
           percent(s.resident_bytes, s.owned_bytes),
           format_duration(std::chrono::seconds{s.uptime_ms / 1000})});
  }
  print_text(t.text());
}

void print_all_of_nodes(const snapshot& p) {
  auto t =
      table{{"NODE", "STATE", "ADDRESS", "EXPERTS", "LAYERS", "RTT P50", "P99 MS", "WAITING",
             "SERVED", "FAILED", "RESIDENT", "OWNED", "LOAD", "UP", "RESTARTS", "INCARNATION"}};
  for (const auto& n : p.nodes.nodes) {
    if (!n.report) {
      t.add({short_name(n), n.state(), to_string(n.at)});
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
  print_text(t.text());
}

void print_snapshot(const snapshot& p, bool wide) {
  wide ? print_all_of_nodes(p) : print_nodes(p);
  for (const auto& n : p.nodes.nodes)
    if (!n.report)
      print("  {}: {}\n", n.name(), n.report.error().text);
  for (const auto& note : notes_on_answers(p.nodes))
    print("  {}\n", note);
  for (const auto& note : notes_on_weights(p.nodes))
    print("  {}\n", note);
  for (const auto& note : notes_on_relays(p.nodes))
    print("  {}\n", note);
  for (const auto& why : p.nodes.unresolved)
    print("  {}\n", why);
  if (!p.offers.empty())
    print("  joining, with memory to offer and no experts yet: {}\n",
          fmt::format("{}", fmt::join(p.offers, ", ")));
  for (const auto& other : p.other_models)
    print("  another model, not used: {}\n", other);
  for (const auto& text : expiring_certificates(p))
    print("  {}\n", text);
  const auto& seen = p.nodes.nodes;
  if (std::none_of(seen.begin(), seen.end(), [](const auto& n) { return bool{n.report}; })) {
    print("\nno node answers\n");
    return;
  }
  print("\n");
  auto c = table{{"EXPERTS", "LAYERS", "SERVED BY"}};
  for (const auto& row : p.coverage)
    c.add({to_string(row.area.experts), to_string(row.area.layers),
           row.owners.empty() ? "GAP: nobody serves these"
                              : fmt::format("{}", fmt::join(row.owners, ", "))});
  print_text(c.text());
  print("\n{}: {}\n", p.model->name, p.is_complete() ? "complete" : "NOT COMPLETE");
}

// Microseconds with three decimals, which is more than is measured.
double rounded(float us) {
  return std::round(static_cast<double>(us) * 1e3) / 1e3;
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
                {"round_trip_p50_us", rounded(quantile(rtt, 0.5))},
                {"round_trip_p99_us", rounded(quantile(rtt, 0.99))},
                {"waiting", s.waiting},
                {"served", s.served},
                {"failed", s.failed},
                {"connections", s.connections},
                {"restarts", s.restarts},
                {"uptime_ms", s.uptime_ms},
                {"owned_bytes", s.owned_bytes},
                {"resident_bytes", s.resident_bytes},
                {"rss_bytes", s.rss_bytes},
                {"load_percent", s.load_percent},
                {"rows", s.rows},
                {"compute_ns", s.compute_ns},
                {"reached_nodes", s.reached_nodes},
                {"forwarded_calls", s.forwarded_calls},
                {"forwarded_rows", s.forwarded_rows},
                {"forward_ns", s.forward_ns},
                {"answers", s.answers == schema::answers_state::known ? "known"
                            : s.answers == schema::answers_state::own ? "own"
                                                                      : "unchecked"}});
      if (s.own_answers)
        j["own_answers"] = to_hex(*s.own_answers);
      const auto& digest = s.owned_digest ? s.owned_digest : d.owned_digest;
      j["owned_digest"] = digest ? json(to_hex(*digest)) : json();
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
  if (!p.other_models.empty())
    out["other_model"] = fmt::format("{}", fmt::join(p.other_models, "; "));
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
  LARQL_TRY(const auto directory, actors::meet_nodes(cluster, tls, o.wait, {}, say_line, stop));
  auto connections = actors::node_connections{tls};
  auto complete = false;
  do {
    const auto p = take_snapshot(cluster, connections, o.pings, directory.get());
    complete = p.is_complete();
    if (o.watch && !o.json && ::isatty(STDOUT_FILENO) != 0)
      print("\x1b[H\x1b[2J"); // home, clear
    if (o.json)
      // In ASCII: a name in it may hold what a terminal must not get.
      print_text(to_json(p).dump(o.watch ? -1 : 2, ' ', true, json::error_handler_t::replace) +
                 '\n');
    else
      print_snapshot(p, o.wide);
  } while (o.watch && actors::pause(o.interval, stop));
  return complete ? exit_ok : exit_failure;
}

} // namespace

void add_status(command_parser& app, action& chosen) {
  auto command = app.add_command(
      "status", "Show the nodes and who has which experts; exit code 1 if experts are missing");
  auto o = std::make_shared<options>();
  add_cluster_flags(command, o->cluster);
  command.add_flag("-w,--watch", o->watch, "Again and again, until Ctrl-C");
  command.add_option("--interval", o->interval, "Seconds between looks, with --watch")
      .check(number_between(0.1, 3600))
      .show_default();
  command.add_option("--pings", o->pings, "Round trips to measure per node")
      .check(whole_number(1, 1000))
      .show_default();
  add_wait_flag(command, o->wait);
  command.add_flag("--wide", o->wide, "Every column; wider than most terminals");
  command.add_flag("--json", o->json, "For programs; with --watch one object per line");
  command.footer("larql status --topology cluster.toml\n"
                 "larql status --topology cluster.toml --watch --interval 5");
  command.callback([o, &chosen] { chosen = [o] { return exit_code(status(*o)); }; });
}

} // namespace larql::cli
