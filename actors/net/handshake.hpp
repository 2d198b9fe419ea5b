// The first messages of a connection, exchanged before a broker takes over.
//
// Blocking  Returns by the deadline.
// Errors    Name the peer and say what was wrong with its message.

#pragma once

#include "actors/net/stream.hpp"
#include "schema/messages.hpp"

#include <functional>

namespace larql::actors {

/// Laptop side: sends hello, returns what the node says it is.
[[nodiscard]] result<schema::node_description>
greet_node(const stream& s, const schema::hello& hello, time_limit until);

/// Node side: reads hello; answers welcome, or refuses another protocol version or another model
/// with a text that says which differs.
[[nodiscard]] result<schema::hello>
greet_laptop(const stream& s, const schema::node_description& self, time_limit until);

/// Node side of a connection that it dialled: announces itself, returns what it should do.
[[nodiscard]] result<schema::accepted>
greet_coordinator(const stream& s, const schema::announce& self, time_limit until);

/// Laptop side of such a connection: `decide` says what the node should do, or why it is refused.
struct announced {
  schema::announce node;
  schema::accepted answer;
};
[[nodiscard]] result<announced>
greet_announced(const stream& s,
                const std::function<result<schema::accepted>(const schema::announce&)>& decide,
                time_limit until);

} // namespace larql::actors
