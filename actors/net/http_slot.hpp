// One request of an HTTP server, from its headers to the last byte of its reply: body, exchange,
// and what has been read of a stream and not been sent. Knows nothing of connections.
//
// Owner     The server, from the request's headers until the library says that it is complete.
// Threads   The server's.

#pragma once

#include "actors/net/http_server.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

struct MHD_Connection;

namespace larql::actors {

class http_slot {
public:
  struct bounds {
    std::uint64_t max_body_bytes;
    /// Of a body that nobody wants: read and thrown away, so that its client reads the reply. More
    /// than that closes the connection.
    std::uint64_t swallow_bytes = 1 << 20;
  };

  http_slot(std::uint64_t id, MHD_Connection* connection, int fd, http_request request,
            const bounds& b)
      : id_(id), connection_(connection), fd_(fd), request_(std::move(request)), bounds_(b) {}

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  [[nodiscard]] MHD_Connection* connection() const noexcept { return connection_; }
  [[nodiscard]] int fd() const noexcept { return fd_; }

  // ---- the request ------------------------------------------------------------------------------

  /// The headers are there. True: refuse at once, as the body would be too long to be thrown away.
  [[nodiscard]] bool begin(http_handler& handler, const std::shared_ptr<memory_budget>& budget);
  /// A piece of the body. False: the connection is not worth going on with.
  [[nodiscard]] bool take(http_handler& handler, std::string_view bytes);
  /// The request is complete: makes the exchange, unless the request was refused.
  void start(http_handler& handler, http_waker waker);
  [[nodiscard]] bool has_started() const noexcept { return started_; }

  // ---- the reply --------------------------------------------------------------------------------

  /// The refusal, or what the exchange says; nothing yet.
  [[nodiscard]] std::optional<http_reply> reply();

  enum class state : std::uint8_t { bytes, wait, end, abort };
  /// Copies up to `room` bytes of the stream, of which there are `count` then.
  [[nodiscard]] state read(char* to, std::size_t room, std::size_t& count);

  /// False: the connection is to be cut.
  [[nodiscard]] bool tick(http_exchange::clock::time_point now) {
    return !exchange_ || exchange_->tick(now);
  }

  /// The client has gone, or the server ends: nothing more is asked of the exchange.
  void drop() noexcept {
    is_gone_ = true;
    exchange_.reset();
  }
  [[nodiscard]] bool is_gone() const noexcept { return is_gone_; }

  bool is_suspended = false; ///< the library leaves the connection alone
  bool is_watched = false;   ///< for its client's leaving

private:
  void refuse(http_reply reply);

  std::uint64_t id_;
  MHD_Connection* connection_;
  int fd_;
  http_request request_;
  bounds bounds_;
  std::optional<http_reply> refusal_;
  std::uint64_t swallowed_ = 0;
  std::unique_ptr<http_exchange> exchange_;
  std::string pending_;  // read from the exchange
  std::size_t sent_ = 0; // of pending_
  bool started_ = false;
  bool is_gone_ = false;
  bool has_ended_ = false;
};

} // namespace larql::actors
