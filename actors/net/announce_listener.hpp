// Where nodes announce themselves: the listener behind discovery.join, of a laptop that runs a
// model or of a command that looks at a cluster. Operators connect here as well, to ask for the
// nodes that have announced themselves.
//
// Threads   The functions are called from threads of the listener, several at once.
// Errors    Name the address, the peer, and what was found and expected.

#pragma once

#include "actors/net/handshake.hpp"
#include "actors/net/listener.hpp"
#include "runtime/topology/shard_url.hpp"

#include <functional>
#include <memory>

namespace larql::actors {

/// Says what an announced node should do, or why it is refused.
using decide_fn = std::function<result<schema::accepted>(const schema::announce&)>;
/// Takes the connection of a node that was told to serve.
using take_fn = std::function<void(schema::node_description, secure_stream)>;

/// Takes over the connection of an operator whose hello has been read and who may ask.
using accept_admin_fn = std::function<result<void>(secure_stream, time_limit until)>;

/// Listens on `at` until destroyed. Without TLS only a loopback address may be listened on. Without
/// `accept_admin`, operators are refused.
[[nodiscard]] result<std::unique_ptr<listener>>
open_announce_listener(const topology::shard_url& at, const tls_context_ptr& tls, decide_fn decide,
                       take_fn take, accept_admin_fn accept_admin = {});

} // namespace larql::actors
