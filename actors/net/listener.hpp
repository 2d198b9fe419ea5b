// Accepts connections, shakes hands and exchanges the first messages with a deadline, and passes
// each connection on. Runs in its own threads: a peer that is slow or silent costs one of a bounded
// number of handshake places, never the network thread.
//
// Threads   One accepts; at most max_handshakes short-lived ones greet.
// Owner     Destruction stops accepting and waits for the handshakes under way.

#pragma once

#include "actors/net/secure_stream.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace larql::actors {

/// How far a connection came that did not become a laptop's.
enum class handshake_step : std::uint8_t { tls, greeting };

struct listener_options {
  std::uint32_t max_handshakes = 32;
  std::chrono::milliseconds handshake_timeout{3000};
  /// Called for each connection that failed, from its own thread.
  std::function<void(handshake_step)> on_failure = [](handshake_step) {};
};

class listener {
public:
  /// Exchanges the first messages of an accepted connection, by the deadline, and takes it. What it
  /// returns is logged.
  using greet_fn = std::function<result<void>(secure_stream, time_limit)>;

  /// A null `tls` means plain TCP.
  listener(socket listening, tls_context_ptr tls, listener_options options, greet_fn greet);
  ~listener();
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

  /// Connections that did not get through TLS or the first messages.
  [[nodiscard]] std::uint64_t failed_handshakes() const noexcept { return failed_.load(); }

private:
  void accept_loop();
  [[nodiscard]] result<void> serve(socket s);
  [[nodiscard]] bool enter(); // takes one of the places
  void leave();

  socket listening_;
  tls_context_ptr tls_;
  listener_options options_;
  greet_fn greet_;
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> failed_{0};
  std::mutex mutex_;
  std::condition_variable left_;
  std::uint32_t handshakes_ = 0;
  std::thread acceptor_;
};

} // namespace larql::actors
