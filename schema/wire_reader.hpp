// Cap'n Proto readers into structs, with every limit applied. Included by codec.cpp only.
//
// Errors    errc::corrupt with the field named. Readers may throw kj::Exception on damaged
//           pointers; codec.cpp catches it.

#pragma once

#include "runtime/base/result.hpp"
#include "schema/messages.hpp"
#include "schema/read_parts.hpp"
#include "schema/wire.capnp.h"

namespace larql::schema {

[[nodiscard]] result<message> read(wire::Message::Reader from);

} // namespace larql::schema
