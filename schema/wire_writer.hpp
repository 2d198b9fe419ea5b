// Structs into Cap'n Proto builders. Included by codec.cpp only.

#pragma once

#include "schema/messages.hpp"
#include "schema/wire.capnp.h"

namespace larql::schema {

void write(wire::Message::Builder to, const message& from);

} // namespace larql::schema
