// larql topology: checks a cluster file without connecting, or writes one to begin with.

#include "runtime/topology/topology.hpp"
#include "actors/net/member_files.hpp"
#include "actors/net/tls_context.hpp"
#include "cli/support/command.hpp"
#include "cli/support/model_kind.hpp"
#include "cli/support/table.hpp"
#include "runtime/base/output_file.hpp"
#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/import/hf_checkpoint.hpp"
#include "runtime/topology/duration.hpp"
#include "runtime/vindex/format.hpp"
#include "runtime/vindex/index_json.hpp"

namespace larql::cli {

namespace {

namespace fs = std::filesystem;
using topology::to_text;

struct shape {
  std::uint32_t layers = 0;
  std::uint32_t experts = 0;
  std::string source; ///< for people
};

// What cannot be looked at is on another machine.
bool is_here(const fs::path& path) {
  auto error = std::error_code{};
  return fs::exists(path, error);
}

result<vindex::model_config> config_of(const fs::path& model) {
  LARQL_TRY(const auto found, find_model(model));
  if (found.kind == model_kind::vindex)
    return vindex::read_index(found.path);
  LARQL_TRY(auto source, found.kind == model_kind::gguf
                             ? import::open_gguf(found.path, {.texts = false})
                             : import::open_hf(found.path));
  return std::move(source.config);
}

// Of the model if it is here; else as far as the ranges reach.
result<shape> shape_of(const topology::cluster& c) {
  if (!c.model.starts_with("hf://") && is_here(c.model)) {
    LARQL_TRY(const auto model, config_of(c.model));
    return shape{model.layers, model.experts, model.model};
  }
  auto out = shape{1, 1, {}};
  for (const auto& n : c.nodes) {
    if (n.experts)
      out.experts = std::max(out.experts, n.experts->last + 1);
    if (n.layers)
      out.layers = std::max(out.layers, n.layers->last + 1);
  }
  out.source = fmt::format("{} is not on this machine: shape guessed from the ranges", c.model);
  return out;
}

void print_nodes(const topology::cluster& c) {
  auto t = table{{"NODE", "ADDRESS", "EXPERTS", "LAYERS", "VINDEX"}};
  const auto range = [](const auto& r) { return r ? to_string(*r) : std::string{"all"}; };
  for (const auto& n : c.nodes)
    t.add({n.name, to_string(n.address), range(n.experts), range(n.layers),
           n.vindex.empty() ? c.model : n.vindex});
  print_text(t.text());
  for (const auto& d : c.find.dns)
    print("and every address of {}, resolved every {}\n", to_string(d), to_text(c.find.interval));
  if (c.find.join)
    print("and nodes that announce themselves at {}\n", host_port(*c.find.join));
}

std::string protection(const topology::cluster& c) {
  if (c.protect.files.any())
    return "mutual TLS by certificates of " + c.protect.files.ca.string();
  return c.protect.enabled() ? "TLS by a cluster secret" : "none: plain TCP";
}

// Of a node's certificate alone.
result<void> check_certificate(const topology::node_entry& n) {
  LARQL_TRY(const auto all, actors::read_certificates(n.certificate));
  const auto& c = all.front();
  if (c.role == name_of(actors::peer_role::node) && c.name == n.name)
    return {};
  return fail(errc::usage, "{}: is the certificate of the {} {}, expected that of the node {}",
              c.file.string(), c.role, c.name, n.name);
}

// Files of nodes as far as they are on this machine: keys of other machines are not.
result<void> check_nodes_files(const topology::cluster& c) {
  if (!c.protect.files.any())
    return {};
  for (const auto& n : c.nodes) {
    if (n.certificate.empty() || n.key.empty())
      return fail(errc::usage,
                  "{}: node {} has no certificate and key, but the cluster uses certificates",
                  n.where, n.name);
    auto ok = is_here(n.key) ? actors::check_member({c.protect.files.ca, n.certificate, n.key},
                                                    actors::peer_role::node, n.name)
              : is_here(n.certificate) ? check_certificate(n)
                                       : result<void>{};
    if (!ok)
      return std::move(ok).error().in(fmt::format("{}: node {}", n.where, n.name));
  }
  return {};
}

result<void> check(const fs::path& file) {
  LARQL_TRY(const auto c, topology::load_cluster(file));
  LARQL_TRY(const auto tls, actors::tls_context::from(c.protect)); // certificates that do not load
  LARQL_TRY_VOID(check_nodes_files(c));
  LARQL_TRY(const auto s, shape_of(c));
  print("model       {} ({})\nprotection  {}\n", c.model, s.source, protection(c));
  print("deadlines   call {} to {}, failover {}, heartbeat {} x {}{}\n",
        to_text(c.limits.call_floor), to_text(c.limits.call_ceiling), to_text(c.limits.failover),
        to_text(c.limits.heartbeat), c.limits.heartbeat_misses,
        c.hedge.enabled ? fmt::format(", hedging after p{:g}", c.hedge.quantile * 100) : "");
  if (c.rows == topology::row_encoding::f32)
    print("wire        rows as f32\n");
  if (c.spot_check != topology::cluster{}.spot_check)
    print("spot check  {}\n", c.spot_check == 0   ? "none"
                              : c.spot_check == 1 ? "every call"
                                                  : fmt::format("one call in {}", c.spot_check));
  print("\n");
  print_nodes(c);
  const auto parts = topology::parts_of(c, s.layers, s.experts);
  auto t = table{{"EXPERTS", "LAYERS", "OWNERS"}};
  for (const auto& row : topology::coverage_table(parts, s.layers, s.experts)) {
    t.add({to_string(row.area.experts), to_string(row.area.layers),
           !row.owners.empty() ? fmt::format("{}", fmt::join(row.owners, ", "))
           : c.find.enabled()  ? "left to discovery"
                               : "GAP: nobody"});
  }
  print_text('\n' + t.text());
  LARQL_TRY_VOID(topology::check_against(c, s.layers, s.experts));
  print("\n{}: ok\n", file.string());
  return {};
}

constexpr std::string_view example =
    R"(# A cluster of expert nodes. Used by the laptop (`larql run --topology cluster.toml "..."`) and by
# each node (`larql-node --topology cluster.toml --node NAME`). Check it with `larql topology check`.
# Relative paths are relative to this file. Commented keys may be left out; most of them
# show their defaults. All keys: docs/topology.md.

model = "model.vindex"            # directory of the model on the laptop (and on nodes without their own)
# spot_check = 1000               # with replicas, one call in so many is asked of two; 0: none, 1: every one

# One [[node]] per expert node. Ranges may overlap: nodes with the same experts are replicas.
[[node]]
name = "alpha"                    # as on its certificate
address = "127.0.0.1:9470"        # where the laptop reaches it
experts = "0-63"                  # default: all
# layers = "0-29"                 # default: all
# vindex = "/data/vindex"         # directory on the node; default: `model`
# listen = "0.0.0.0:9470"         # what the node binds; default: its address
# threads = 8                     # default: one per core
# warmup = false                  # read all owned experts before taking calls
# mlock = false                   # keep them in memory
# sessions = 4                    # of laptops that it computes as a whole; it sees their text
# relay = false                   # it answers for the other nodes as well, for laptops far away
# http = "127.0.0.1:8080"         # /healthz, /readyz and /metrics; default: none
# certificate = "certs/alpha.pem" # with [security]: the node's own ...
# key = "certs/alpha.key"         # ... and its key

[[node]]
name = "beta"
address = "127.0.0.1:9471"
experts = "64-127"

# [discovery]
# dns = ["app.internal:9470"]     # every A and AAAA record is a node
# interval = "5s"                 # between lookups
# join = "127.0.0.1:9480"         # the laptop listens here for `larql-node --join`

# [security]                      # either certificates (`larql certs init`, `larql certs issue`) ...
# ca = "certs/ca.pem"
# certificate = "certs/me.pem"
# key = "certs/me.key"
# secret_file = "cluster.secret"  # ... or one secret for all members (`larql certs secret`)

# [deadlines]
# connect = "5s"
# call_floor = "50ms"             # a layer's call is never given less
# call_ceiling = "10s"            # nor more
# call_factor = 4.0               # times the slowest percent measured
# failover = "30s"                # how long an answer waits for experts that nobody has
# heartbeat = "1s"
# heartbeat_misses = 5
# reconnect_first = "100ms"
# reconnect_max = "10s"

# [hedging]                       # a second copy of slow calls to a replica
# enabled = false
# quantile = 0.95

# [wire]
# rows = "auto"                   # what goes up: 8 bits a number where that is exact, or always "f32"
# relay = "auto"                  # rows to a relay where that is faster; or "never", "always"
# complete_rows = true            # relays send f32 for rows that they have all sums of
# sums = "exact"                  # "f16", "bf16", "q8": fewer bytes down, approximate answers

# [session]
# at = ["alpha", "beta"]          # nodes that compute the laptop's sessions, best first; they see prompt and text
)";

result<void> init(const fs::path& out, bool force) {
  if (out.empty()) {
    print_text(example);
    return {};
  }
  LARQL_TRY_VOID(larql::write_output(out, example, force));
  if (out == "-")
    return {};
  print("wrote {}; edit it, then: larql topology check {}\n", out.string(), out.string());
  return {};
}

} // namespace

void add_topology(command_parser& app, action& chosen) {
  auto command = app.add_command("topology", "Check or begin a cluster file");
  command.require_command();
  command.footer("larql topology init -o cluster.toml\nlarql topology check cluster.toml");
  auto check_command = command.add_command(
      "check", "Validate a cluster file without connecting and show who owns what");
  auto file = std::make_shared<fs::path>();
  check_command.add_option("file", *file, "The cluster file").required();
  check_command.footer("larql topology check cluster.toml\n"
                       "larql topology check deploy/topologies/tls.toml");
  check_command.callback([file, &chosen] { chosen = [file] { return exit_code(check(*file)); }; });
  auto init_command = command.add_command("init", "Write a commented example");
  auto out = std::make_shared<fs::path>();
  auto force = std::make_shared<bool>(false);
  init_command.add_option("-o,--output", *out, "File to write (default: standard output)");
  init_command.add_flag("--force", *force, "Replace an existing file");
  init_command.footer("larql topology init\nlarql topology init -o cluster.toml");
  init_command.callback(
      [out, force, &chosen] { chosen = [out, force] { return exit_code(init(*out, *force)); }; });
}

} // namespace larql::cli
