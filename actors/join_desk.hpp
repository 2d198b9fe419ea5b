// Where nodes announce themselves: the listener behind discovery.join, of a laptop that runs a
// model or that only looks. Operators come here as well, for the nodes that are here.
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
using take_fn = std::function<void(schema::node_description, stream)>;

/// Answers a visitor whose hello has been read and who may ask.
using visit_fn = std::function<result<void>(stream, time_limit until)>;

/// Listens on `at` until destroyed. Without TLS only a loopback address may be listened on. Without
/// `visit`, visitors are refused.
[[nodiscard]] result<std::unique_ptr<listener>> open_join_desk(const topology::shard_url& at,
                                                               const tls_context_ptr& tls,
                                                               decide_fn decide, take_fn take,
                                                               visit_fn visit = {});

} // namespace larql::actors
