// A session's messages into Cap'n Proto builders. Included by wire_writer.cpp only.

#pragma once

#include "schema/messages.hpp"
#include "schema/wire.capnp.h"

namespace larql::schema {

void write_session(wire::Session::Builder to, const session_message& from);

} // namespace larql::schema
