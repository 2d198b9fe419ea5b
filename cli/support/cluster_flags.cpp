#include "cli/support/cluster_flags.hpp"

#include "actors/net/member_files.hpp"
#include "cli/support/number_check.hpp"
#include "runtime/base/log.hpp"

#include <algorithm>

namespace larql::cli {

namespace {

// A laptop works with a key that others may read, but its user should know.
void warn_if_open(const std::filesystem::path& file) {
  if (file.empty())
    return;
  if (const auto ok = actors::check_private(file); !ok && ok.error().code == errc::usage)
    log_warning("tls", "{}", ok.error().text);
}

} // namespace

void add_cluster_flags(command_parser& command, cluster_flags& f) {
  auto topology =
      command.add_option("--topology", f.topology, "Cluster file: nodes, certificates, deadlines");
  command
      .add_option("--moe-shards", f.moe_shards, "Nodes, FIRST-LAST=URL,... (default: this machine)")
      .excludes(topology);
  command.add_option("--tls-ca", f.tls.ca, "CA certificate of the cluster").group("Connections");
  command.add_option("--tls-cert", f.tls.certificate, "Certificate of this laptop")
      .group("Connections");
  command.add_option("--tls-key", f.tls.key, "Its key").group("Connections");
  command.add_option("--secret-file", f.secret_file, "Cluster secret, instead of certificates")
      .group("Connections");
  command
      .add_option("--call-timeout", f.call_timeout_ms,
                  "Most milliseconds a node may take for one layer (default: 10000)")
      .group("Connections");
  command
      .add_option("--connect-timeout", f.connect_timeout_ms,
                  "Milliseconds to wait for each node at start (default: 5000)")
      .group("Connections");
  command
      .add_option("--failover-timeout", f.failover_ms,
                  "Milliseconds to wait for experts that no node has (default: 30000)")
      .group("Connections");
}

result<std::optional<topology::cluster>> read_cluster(const cluster_flags& f) {
  auto none = std::optional<topology::cluster>{};
  if (f.topology.empty() && f.moe_shards.empty())
    return none;
  auto c = topology::cluster{};
  if (!f.topology.empty()) {
    LARQL_TRY(c, topology::load_cluster(f.topology));
  } else {
    LARQL_TRY(const auto shards, topology::parse_shard_map(f.moe_shards));
    c = topology::cluster_of(shards);
  }
  const auto take = [](const std::filesystem::path& from, std::filesystem::path& to) {
    if (!from.empty())
      to = from;
  };
  take(f.tls.ca, c.protect.files.ca);
  take(f.tls.certificate, c.protect.files.certificate);
  take(f.tls.key, c.protect.files.key);
  take(f.secret_file, c.protect.secret_file);
  if (c.protect.files.any() && !c.protect.secret_file.empty())
    return fail(errc::usage, "certificates and a cluster secret exclude each other");
  warn_if_open(c.protect.files.key);
  warn_if_open(c.protect.secret_file);
  if (!f.topology.empty() && c.protect.enabled())
    for (auto& n : c.nodes) // the flags may have added the protection
      n.address.tls = true;
  const auto milliseconds = [](const std::optional<std::uint32_t>& from,
                               topology::milliseconds& to) {
    if (from)
      to = topology::milliseconds{*from};
  };
  milliseconds(f.call_timeout_ms, c.limits.call_ceiling);
  milliseconds(f.connect_timeout_ms, c.limits.connect);
  milliseconds(f.failover_ms, c.limits.failover);
  c.limits.call_floor = std::min(c.limits.call_floor, c.limits.call_ceiling);
  return std::optional{std::move(c)};
}

result<topology::cluster> read_named_cluster(const cluster_flags& flags) {
  LARQL_TRY(auto cluster, read_cluster(flags));
  if (!cluster)
    return fail(errc::usage, "which cluster? Give --topology or --moe-shards");
  return *std::move(cluster);
}

void add_wait_flag(command_parser& command, double& seconds) {
  command
      .add_option("--wait", seconds,
                  "Seconds for nodes that announce themselves to come (discovery.join)")
      .check(number_between(0, 3600))
      .show_default();
}

} // namespace larql::cli
