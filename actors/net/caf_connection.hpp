// Makes a stream the connection of a broker: CAF's own kind of I/O, with TLS where the stream has
// it.
//
// Threads   The scribe belongs to the network thread from the moment a broker has added it.
// Source    CAF 0.17 has no TLS that survives a hostile peer (docs/adr/0001), so the handshake is
//           over when CAF sees the descriptor.

#pragma once

#include "actors/net/secure_stream.hpp"

#include <caf/io/all.hpp>

#include <functional>

namespace larql::actors {

/// A connection on its way to its broker, which opens it on the network thread.
struct pending_connection {
  std::function<caf::io::scribe_ptr(caf::actor_system&)> open;
  int fd = -1; ///< for hang_up(); -1: simulated
};

/// Keeps the stream until the broker opens it; if none does, the connection closes.
[[nodiscard]] pending_connection make_pending_connection(secure_stream s);

} // namespace larql::actors
