// An HTTP/1.1 server for answers that take long: a request with a body, a reply that comes later or
// piece by piece, and a client that may leave at any moment.
//
// A request becomes an http_exchange, which is asked for its reply and, of a stream, for the next
// bytes. An exchange that has nothing to say is left alone until somebody wakes it. While it is,
// the connection's socket is watched: a client that closes or half-closes its side is gone, and its
// exchange is dropped at once.
//
// Owner     Its caller. The destructor drops all exchanges and closes all connections.
// Threads   One of its own, on which handler and exchanges are called; wakers by any thread.
// Blocking  Handler and exchanges must be quick.
// Bounds    Connections, headers, bodies (each and all together), and times: a connection that is
//           slow with its request, or takes nothing of its answer, is closed. While all places are
//           taken, those that wait for a request are closed earlier.
//
// TLS is the library's (ADR 0029). A new certificate serves new connections; those that are open go
// on with the old one.

#pragma once

#include "actors/net/http_types.hpp"
#include "actors/net/socket.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace larql::actors {

/// Wakes one exchange: the server asks it again soon. Does nothing once the exchange is gone.
///
/// Threads   Any; copies may be used at once.
class http_waker {
public:
  struct queue; // http_server.cpp
  http_waker() = default;
  http_waker(std::shared_ptr<queue> to, std::uint64_t id) : queue_(std::move(to)), id_(id) {}
  void wake() const;

private:
  std::shared_ptr<queue> queue_;
  std::uint64_t id_ = 0;
};

/// One request under way. Destroyed when its reply has been sent, or when the client has gone.
class http_exchange {
public:
  using clock = std::chrono::steady_clock;
  enum class next : std::uint8_t {
    more,  ///< bytes were appended
    wait,  ///< nothing now
    end,   ///< the stream is complete with the bytes that were appended
    abort, ///< the stream cannot be completed: the connection is cut
  };

  virtual ~http_exchange() = default;
  /// The reply, once it is known. Asked until there is one.
  [[nodiscard]] virtual std::optional<http_reply> reply() = 0;
  /// The next bytes of a stream: appends tens of kilobytes at most.
  [[nodiscard]] virtual next read(std::string& out) = 0;
  /// Several times a second while the exchange waits or its client does not read. False: the
  /// connection is cut.
  [[nodiscard]] virtual bool tick(clock::time_point now) = 0;
};

class http_handler {
public:
  virtual ~http_handler() = default;
  /// Looks at a request without its body: a reply refuses it, and the body is not kept.
  [[nodiscard]] virtual std::optional<http_reply> check(const http_request& head) = 0;
  [[nodiscard]] virtual std::unique_ptr<http_exchange> start(http_request request,
                                                             http_waker waker) = 0;
  /// What is said to a body that is larger than allowed; and when there is no memory for it now.
  [[nodiscard]] virtual http_reply too_large(const http_request& head, std::uint64_t limit) = 0;
  [[nodiscard]] virtual http_reply no_memory(const http_request& head) = 0;
};

/// PEM texts.
struct http_certificate {
  std::string chain;
  std::string key;
};

struct http_server_options {
  unsigned max_connections = 256;
  std::size_t connection_bytes = 64 << 10; ///< request line and headers, and what is being sent
  std::uint64_t max_body_bytes = 32 << 20;
  std::uint64_t all_bodies_bytes = 256 << 20;     ///< of all requests that have not been read yet
  std::chrono::milliseconds head_timeout{10'000}; ///< from accept to the end of the first headers
  std::chrono::milliseconds body_timeout{60'000};
  std::chrono::seconds idle_timeout{30}; ///< without a byte in either direction
  /// For connections that wait for a request while all places are taken.
  std::chrono::milliseconds crowded_timeout{250};
  /// Of the socket: what a client that does not read can make the system hold.
  int send_buffer_bytes = 256 << 10;
  std::optional<http_certificate> certificate = {}; ///< absent: no TLS
};

class http_server {
public:
  /// Takes the listening socket. The handler must live longer than the server.
  [[nodiscard]] static result<std::unique_ptr<http_server>>
  start(socket listening, http_handler& handler, const http_server_options& options = {});
  ~http_server();
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept;

  /// New connections get this certificate from now on. Fails, and changes nothing, if it is none.
  [[nodiscard]] result<void> use_certificate(const http_certificate& certificate);

  /// Takes no new connections, and closes each that is open behind its next reply.
  void stop_accepting();
  /// Requests under way.
  [[nodiscard]] std::size_t busy() const noexcept;
  struct counts {
    std::size_t connections = 0;            ///< now
    std::array<std::uint64_t, 6> replies{}; ///< since the start, by the first digit of the status
    std::uint64_t left = 0; ///< clients that did not wait for the end of their answer
  };
  [[nodiscard]] counts counted() const noexcept;

private:
  class impl; // http_server.cpp
  explicit http_server(std::unique_ptr<impl> i);
  std::unique_ptr<impl> impl_;
};

} // namespace larql::actors
