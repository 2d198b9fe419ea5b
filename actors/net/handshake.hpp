// The first two messages of a connection, exchanged before a broker takes over.
//
// Blocking  Returns by the deadline.
// Errors    Name the peer and say what was wrong with its message.

#pragma once

#include "actors/net/socket.hpp"
#include "schema/messages.hpp"

namespace larql::actors {

/// Laptop side: sends hello, returns what the node says it is.
[[nodiscard]] result<schema::node_description>
greet_node(const socket& s, const schema::hello& hello, time_limit until);

/// Node side: reads hello; answers welcome, or refuses another protocol version.
[[nodiscard]] result<schema::hello>
greet_laptop(const socket& s, const schema::node_description& self, time_limit until);

} // namespace larql::actors
