// Messages to frames and back. Cap'n Proto stays behind this header.
//
// Frames    encode() appends header and payload to a buffer that is sent as it is. decode() reads a
//           payload in place: the buffer must be 8-byte aligned (any allocation is) and outlive the
//           spans of the message.
// Errors    decode() never throws and never allocates from an unchecked count; a payload that is
//           not a message of this protocol is errc::corrupt with the field named.
// Threads   Pure functions.

#pragma once

#include "runtime/base/result.hpp"
#include "schema/messages.hpp"

#include <span>
#include <vector>

namespace larql::schema {

/// Appends one frame.
void encode(const message& m, std::vector<char>& out);

/// Reads a payload.
[[nodiscard]] result<message> decode(std::span<const char> payload);

/// Bytes of the first of one or more frames that encode() made; all, if there is none.
[[nodiscard]] std::size_t frame_bytes(std::span<const char> frames);

/// Checks the header of a frame and returns the payload's length.
/// `limit` is the longest payload accepted now.
[[nodiscard]] result<std::uint32_t> decode_header(std::span<const char> header,
                                                  std::uint32_t limit);

} // namespace larql::schema
