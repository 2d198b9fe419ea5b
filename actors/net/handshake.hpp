// The first messages of a connection, exchanged before a broker takes over.
//
// Blocking  Returns by the deadline.
// Errors    Name the peer and say what was wrong with its message.

#pragma once

#include "actors/net/secure_stream.hpp"
#include "schema/messages.hpp"

#include <functional>
#include <string_view>
#include <variant>

namespace larql::actors {

/// Laptop side: sends hello, returns what the node says it is.
[[nodiscard]] result<schema::node_description>
greet_node(const secure_stream& s, const schema::hello& hello, time_limit until);

/// Node side: reads hello; answers welcome, or refuses another protocol version or another model
/// with a text that says which differs. `before_answer` is called before the welcome is sent.
[[nodiscard]] result<schema::hello> greet_laptop(
    const secure_stream& s, const schema::node_description& self, time_limit until,
    const std::function<void()>& before_answer = [] {});

/// Node side of a connection that it dialled: announces itself, returns what it should do.
[[nodiscard]] result<schema::accepted>
announce_to_laptop(const secure_stream& s, const schema::announce& self, time_limit until);

/// Who came to where nodes announce themselves: a node, or an operator who asks for those that are
/// here. Whoever speaks another protocol version is refused.
using first_message = std::variant<schema::announce, schema::hello>;
[[nodiscard]] result<first_message> read_first_message(const secure_stream& s, time_limit until);

/// Answers a node: `decide` says what it should do, or why it is refused.
[[nodiscard]] result<schema::accepted>
answer_announcement(const secure_stream& s, const schema::announce& node,
                    const std::function<result<schema::accepted>(const schema::announce&)>& decide,
                    time_limit until);

/// An operator's side: asks a laptop for the nodes that announced themselves to it.
[[nodiscard]] result<schema::node_list>
request_node_list(const secure_stream& s, const schema::hello& hello, time_limit until);

/// Node side while it loads: reads the first message and says that the node is loading, and what it
/// waits for. The laptop's side of it is errc::unavailable: it may ask again.
[[nodiscard]] result<void> say_loading(const secure_stream& s, const std::string& what,
                                       time_limit until);
/// What the reason of such a refusal begins with. On the wire: never change it.
inline constexpr std::string_view loading_reason = "the node is loading";

/// Says no, and returns that as the error.
[[nodiscard]] failure refuse(const secure_stream& s, std::string reason, time_limit until);

} // namespace larql::actors
