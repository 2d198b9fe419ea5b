// Waits for nodes that announce themselves (discovery.join), for commands that look at nodes or
// control them.
//
// Blocking  For the time given, or until stopped.

#pragma once

#include "actors/admin/node_directory.hpp"
#include "runtime/topology/topology.hpp"

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace larql::actors {

/// A node that finds no program to announce itself to tries again within 10 s
/// (announce_options::retry), and needs a moment to be greeted.
inline constexpr auto default_announce_wait_s = 11.0;

/// Waits until the time is over or `complete` says so; false if it was stopped.
bool pause(
    double seconds, const std::stop_token& stop,
    const std::function<bool()>& complete = [] { return false; });

using complete_fn = std::function<bool(const std::vector<std::string>& names)>;
using notice_fn = std::function<void(const std::string& text)>;

/// Listens for nodes and waits until `complete` accepts the names of those that have come; or finds
/// the laptop that they have come to, and waits until `complete` accepts its list. Without
/// `complete` the whole time is waited for nodes, and a laptop is asked at once. Null if no node of
/// this cluster announces itself, or if they do so to another program. `notice` is told what is
/// waited for, and of that other program.
[[nodiscard]] result<std::unique_ptr<node_directory>>
meet_nodes(const topology::cluster& c, const tls_context_ptr& tls, double wait_s,
           const complete_fn& complete, const notice_fn& notice, const std::stop_token& stop);

} // namespace larql::actors
