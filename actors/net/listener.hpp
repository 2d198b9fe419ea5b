// Accepts connections, shakes hands and exchanges the first messages with a deadline, and passes
// each connection on. A connection costs a descriptor until its peer has sent something, and one of
// a bounded number of handshake threads from then on, never the network thread.
//
// Silent peers  keep nobody out: the one that has been silent longest gives its place to the next,
//               and one address has only a share of the places.
// Threads       One accepts and waits; at most max_handshakes short-lived ones greet.
// Owner         Destruction stops accepting and waits for the handshakes under way.

#pragma once

#include "actors/net/secure_stream.hpp"
#include "actors/net/silent_peers.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <poll.h>
#include <span>
#include <string>
#include <thread>

namespace larql::actors {

/// How far a connection came that did not become a laptop's.
enum class handshake_step : std::uint8_t { tls, greeting };

struct listener_options {
  std::uint32_t max_handshakes = 32;
  std::chrono::milliseconds handshake_timeout{3000};
  /// Of those, handshakes with one address at the same time; others of it wait.
  std::uint32_t handshakes_per_address = 16;
  /// Connections that have sent nothing yet.
  std::size_t max_silent = 1024;
  std::size_t silent_per_address = 512;
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

  /// For connections that are greeted from now on. Any thread.
  void use_tls(tls_context_ptr tls);

  /// Connections that did not get through TLS or the first messages.
  [[nodiscard]] std::uint64_t failed_handshakes() const noexcept { return failed_.load(); }

private:
  void accept_loop();
  void accept_all();
  /// `seen` has one entry for each silent peer, in their order.
  void greet_those_who_spoke(std::span<const pollfd> seen);
  void start(silent_peer peer);
  [[nodiscard]] result<void> serve(socket s, time_limit until);
  [[nodiscard]] bool enter(const std::string& address); // takes one of the places
  void leave(const std::string& address);

  socket listening_;
  tls_context_ptr tls_;
  listener_options options_;
  greet_fn greet_;
  silent_peers silent_; // of the accepting thread
  std::atomic<bool> stop_{false};
  std::atomic<std::uint64_t> failed_{0};
  std::mutex mutex_;
  std::condition_variable left_;
  std::uint32_t handshakes_ = 0;
  std::map<std::string, std::uint32_t> by_address_; // handshakes under way
  std::thread acceptor_;
};

} // namespace larql::actors
