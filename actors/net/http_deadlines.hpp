// Which connections of an HTTP server take too long, or have no request and get none any more. The
// library's own timeout counts from the last byte, which a slow client can put off for ever, and it
// does not notice an end that comes together with the bytes before it.
//
// Threads   The server's.

#pragma once

#include "actors/net/http_server.hpp"

#include <chrono>
#include <cstddef>
#include <map>

namespace larql::actors {

class http_deadlines {
public:
  using clock = std::chrono::steady_clock;
  enum class phase : std::uint8_t {
    head,   ///< accepted: handshake and headers of the first request
    body,   ///< a request's headers were read
    answer, ///< a request is complete; others watch over its answer
    idle,   ///< between two requests
  };

  explicit http_deadlines(const http_server_options& options) : options_(options) {}

  void open(int fd) { connections_[fd] = {}; }
  void close(int fd) { connections_.erase(fd); }
  void enter(int fd, phase what);
  [[nodiscard]] std::size_t size() const noexcept { return connections_.size(); }

  /// Hangs up on those that are overdue, and on those that wait for a request whose client has
  /// closed its side. `hurry`: no new request is wanted.
  void close_overdue(clock::time_point now, bool hurry) const;

private:
  struct connection {
    phase what = phase::head;
    clock::time_point since = clock::now();
  };

  const http_server_options& options_;
  std::map<int, connection> connections_; // by descriptor
};

} // namespace larql::actors
