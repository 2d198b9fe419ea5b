// Whole messages over a stream, for the part of a connection that no broker serves: handshakes, and
// the short requests of `larql status`.
//
// Blocking  Returns by the deadline.
// Errors    Name the peer and say what was wrong with its message.

#pragma once

#include "actors/core/message_buffer.hpp"
#include "actors/net/secure_stream.hpp"
#include "schema/messages.hpp"

namespace larql::actors {

using received_message = received<schema::message>;

/// A payload longer than `limit` bytes is an error before any of it is read.
[[nodiscard]] result<received_message> read_message(const secure_stream& s, std::uint32_t limit,
                                                    time_limit until);
[[nodiscard]] result<void> write_message(const secure_stream& s, const schema::message& m,
                                         time_limit until);

} // namespace larql::actors
