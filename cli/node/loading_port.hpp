// The node's port before there is a node: who asks hears that it is loading, and what it waits for.
//
// Owner     The start of the process. Destroyed before the node listens on the same socket.

#pragma once

#include "actors/net/listener.hpp"
#include "cli/node/health.hpp"

#include <memory>

namespace larql::cli {

/// Answers on a copy of the listening descriptor, which stays the caller's.
[[nodiscard]] result<std::unique_ptr<actors::listener>>
open_loading_port(const actors::socket& listening, const actors::tls_context_ptr& tls,
                  const node_health& health);

} // namespace larql::cli
