// Nodes that announce themselves (discovery.join), for commands that look at nodes or steer them.
//
// Blocking  meet_nodes() for the seconds of --wait.

#pragma once

#include "actors/joined_nodes.hpp"
#include "runtime/topology/topology.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace larql::cli {

/// A node that finds nobody to announce itself to tries again within 10 s (join_options::retry),
/// and needs a moment to be greeted.
inline constexpr auto default_wait_s = 11.0;

void add_wait_flag(CLI::App& command, double& seconds);

/// Waits until the time is over, `enough` says so or the user has had enough; false only then.
bool pause(
    double seconds, const std::function<bool()>& enough = [] { return false; });

using enough_fn = std::function<bool(const std::vector<std::string>& names)>;

/// Listens for nodes and waits until `enough` have come, or finds the laptop that they have come to
/// and waits until it has `enough`. Without `enough`, whoever comes counts: all the time is waited,
/// and a laptop is asked at once. Null if no node of this cluster announces itself, or if they do
/// so to another program, which is then said on stderr.
[[nodiscard]] result<std::unique_ptr<actors::joined_nodes>>
meet_nodes(const topology::cluster& c, const actors::tls_context_ptr& tls, double wait_s,
           const enough_fn& enough);

} // namespace larql::cli
