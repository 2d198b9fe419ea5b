// Cap'n Proto readers of a session's messages into structs, with every limit applied. Included by
// wire_reader.cpp only.
//
// Errors    As wire_reader.hpp.

#pragma once

#include "schema/wire_reader.hpp"

namespace larql::schema {

[[nodiscard]] result<message> read_session(wire::Session::Reader from);

} // namespace larql::schema
