// Connects to a node, or to the laptop where nodes announce themselves, in the calling thread.
//
// Blocking  Returns by the deadline.
// Errors    Name the URL or the address, and what its owner has to change where that is known.

#pragma once

#include "actors/net/secure_stream.hpp"
#include "runtime/topology/shard_url.hpp"
#include "schema/messages.hpp"

namespace larql::actors {

/// A node that has been greeted.
struct dialled_node {
  schema::node_description description;
  secure_stream connection;
};

/// Dials a node and sends `hello`. Refuses a peer whose certificate is not a node's, or is for
/// another name than the node's own.
[[nodiscard]] result<dialled_node> dial_node(const topology::shard_url& url,
                                             const tls_context_ptr& tls, const schema::hello& hello,
                                             time_limit until);

/// Dials the laptop where nodes announce themselves. It is not greeted yet.
[[nodiscard]] result<secure_stream> dial_laptop(const topology::shard_url& at,
                                                const tls_context_ptr& tls, time_limit until);

} // namespace larql::actors
