// A connected byte stream: TCP, or TLS over it. Used with deadlines for the first messages of a
// connection, outside CAF's network thread; afterwards it becomes a connection of a
// broker (caf_connection.hpp).
//
// Blocking  Every call returns by its deadline.
// Errors    Name the peer.
// Owner     Owns the descriptor and the TLS session.

#pragma once

#include "actors/net/peer_identity.hpp"
#include "actors/net/socket.hpp"
#include "actors/net/tls_context.hpp"
#include "runtime/base/result.hpp"

#include <memory>
#include <span>
#include <string>

namespace larql::actors {

class secure_stream {
public:
  /// Plain TCP.
  explicit secure_stream(socket s) : socket_(std::move(s)) {}

  /// Shakes hands as the side that dialled or was dialled. A null context means plain TCP.
  [[nodiscard]] static result<secure_stream> dialled(socket s, const tls_context_ptr& tls,
                                                     time_limit until);
  [[nodiscard]] static result<secure_stream> accepted(socket s, const tls_context_ptr& tls,
                                                      time_limit until);

  [[nodiscard]] result<void> read(std::span<char> out, time_limit until) const;
  [[nodiscard]] result<void> write(std::span<const char> bytes, time_limit until) const;

  /// "127.0.0.1:9470" of the other side, for messages.
  [[nodiscard]] std::string peer() const { return socket_.peer(); }
  [[nodiscard]] const peer_identity& identity() const noexcept { return identity_; }
  [[nodiscard]] int fd() const noexcept { return socket_.fd(); }

  /// Gives up the parts; the TLS session is null for plain TCP.
  [[nodiscard]] int release_fd() noexcept { return socket_.release(); }
  [[nodiscard]] tls_context::ssl_ptr release_session() noexcept { return std::move(session_); }

private:
  static result<secure_stream> shake_hands(socket s, const tls_context_ptr& tls, time_limit until,
                                           bool server);

  socket socket_;
  tls_context_ptr tls_; // outlives the session
  tls_context::ssl_ptr session_;
  peer_identity identity_;
};

} // namespace larql::actors
