// The flags by which every command finds its nodes: a cluster file, or the short form, and what
// protects the connections.

#pragma once

#include "cli/support/command_parser.hpp"
#include "runtime/base/result.hpp"
#include "runtime/topology/topology.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace larql::cli {

struct cluster_flags {
  std::filesystem::path topology;
  std::string moe_shards;
  topology::tls_files tls;
  std::filesystem::path secret_file;
  std::optional<std::uint32_t> call_timeout_ms;
  std::optional<std::uint32_t> connect_timeout_ms;
  std::optional<std::uint32_t> failover_ms;
};

void add_cluster_flags(command_parser& command, cluster_flags& flags);

/// The cluster that the flags describe; nothing if they name none: all experts are local.
[[nodiscard]] result<std::optional<topology::cluster>> read_cluster(const cluster_flags& flags);

/// The same for a command that is about nodes: none named is an error.
[[nodiscard]] result<topology::cluster> read_named_cluster(const cluster_flags& flags);

/// --wait: how long nodes that announce themselves are waited for.
void add_wait_flag(command_parser& command, double& seconds);

} // namespace larql::cli
