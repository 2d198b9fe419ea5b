// The daemon: from settings to a node that serves until it is told to stop.

#pragma once

#include "cli/node/settings.hpp"
#include "runtime/base/result.hpp"

namespace larql::cli {

/// Why a node ended.
enum class node_end {
  stopped, ///< SIGTERM, SIGINT
  restart, ///< an operator asked for a new start
};

/// Serves until a signal or an operator ends it. Prints one line on stdout when it is ready.
[[nodiscard]] result<node_end> serve_node(const node_settings& settings);

} // namespace larql::cli
