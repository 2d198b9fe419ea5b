// Bytes in and out of a connected descriptor without waiting, plain or through TLS.
//
// Owner     Owns the TLS session, not the descriptor.
// Blocking  Never: moves what can be moved now.
// Threads   Plain state; one owner.

#pragma once

#include "actors/net/tls_context.hpp"

#include <cstddef>
#include <span>

namespace larql::actors {

class nonblocking_io {
public:
  /// The handshake of `session` is over; null means plain TCP.
  nonblocking_io(int fd, tls_context::ssl_ptr session) : fd_(fd), session_(std::move(session)) {}

  /// What one call did. Neither bytes nor failure: try later.
  struct moved {
    std::size_t bytes = 0;
    bool failed = false; ///< the connection is over, or will be found so by the next call
  };

  /// Fills `first`, then `second`.
  [[nodiscard]] moved read(std::span<char> first, std::span<char> second);
  [[nodiscard]] moved write(std::span<const char> bytes);

  /// Bytes are decrypted and not read yet: nothing in the descriptor shows that they are there.
  [[nodiscard]] bool holds_bytes() const;

private:
  [[nodiscard]] moved read_tls(std::span<char> out);
  [[nodiscard]] moved write_tls(std::span<const char> bytes);
  [[nodiscard]] bool is_over(int code) const;

  int fd_;
  tls_context::ssl_ptr session_;
};

} // namespace larql::actors
