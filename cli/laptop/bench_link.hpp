// The link that `larql bench --wan` puts between this machine and its nodes (docs/wan.md).

#pragma once

#include "actors/net/link_probe.hpp"
#include "actors/net/wan_link.hpp"
#include "cli/support/command_parser.hpp"
#include "runtime/topology/topology.hpp"

#include <optional>
#include <stop_token>
#include <string>

namespace larql::cli {

struct link_options {
  std::string name; ///< of a standard link; empty: none
  double jitter_ms = 0;
  double stall_every_s = 0;
  double stall_ms = 0;
  bool no_slow_start = false;
};

void add_link_options(command_parser& command, link_options& o);

/// What the options describe. @pre a link is named
[[nodiscard]] actors::wan_profile profile_of(const link_options& o);

/// A link that runs, and what it was measured to give before the nodes used it.
struct bench_link {
  std::string name;
  actors::wan_profile profile;
  actors::link_facts facts;
  actors::wan_link proxies;
};

/// Puts the link before every node of the cluster, whose addresses it changes. Fails with `usage`
/// where nodes are found in other ways, and if one cannot be reached.
[[nodiscard]] result<bench_link> start_link(const link_options& o, topology::cluster& nodes,
                                            const std::stop_token& stop);

} // namespace larql::cli
