// Makes a stream the connection of a broker: CAF's own kind of I/O, with TLS where the stream has
// it.
//
// Threads   A connection belongs to the network thread from the moment a broker has opened it.
// Source    CAF 0.17 has no TLS that survives a hostile peer (docs/adr/0001), so the handshake is
//           over when CAF sees the descriptor.

#pragma once

#include "actors/net/open_connections.hpp"
#include "actors/net/secure_stream.hpp"

#include <caf/io/all.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace larql::actors {

/// A connection on its way to its broker, which opens it on the network thread.
using pending_connection = std::function<caf::io::scribe_ptr(caf::actor_system&)>;

/// Keeps the stream until the broker opens it; if none does, the connection closes. `open` lists it
/// from then on; it may be null.
[[nodiscard]] pending_connection
make_pending_connection(secure_stream s, std::shared_ptr<open_connections> open = nullptr);

/// A broker's connection.
///
/// Owner     The broker's state. The descriptor stays open at least as long as this.
class broker_connection {
public:
  /// Opens `connection` and makes it one of `broker`'s.
  template <class Broker>
  void open(const pending_connection& connection, Broker* broker) {
    scribe_ = connection(broker->system());
    handle_ = scribe_->hdl();
    broker->add_scribe(scribe_);
  }

  [[nodiscard]] caf::io::connection_handle handle() const noexcept { return handle_; }

  /// Ends both directions at once; what is not sent yet is dropped. CAF alone would keep a closed
  /// connection until its peer has read everything, which a hostile or stopped peer never does.
  void hang_up() noexcept;

  /// Bytes handed over that the peer has not taken, and those ever taken; 0 for simulated ones.
  [[nodiscard]] std::size_t unsent() const noexcept;
  [[nodiscard]] std::uint64_t sent() const noexcept;

private:
  caf::io::scribe_ptr scribe_;
  caf::io::connection_handle handle_;
};

} // namespace larql::actors
