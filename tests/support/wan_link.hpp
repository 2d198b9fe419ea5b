// A link of a wide area network inside this process: a TCP proxy on loopback with a round-trip
// time, jitter, rates, a queue and stalls, which follow from a seed.
//
//     auto link = wan_link{node_port, {.round_trip = 20ms, .down_bytes_per_second = 12.5e6}};
//     // connect to link.port() instead of node_port
//
// The model of one direction: a byte waits until those before it have been sent at the link's rate
// (bytes that wait fill the queue; a full queue is not read from, as a router's back-pressure), and
// then takes half a round trip plus its jitter. Bytes never overtake each other. A connection's
// first bytes come a round trip later, as a TCP handshake over that distance would have taken it.
// The window of TCP is not modelled.
//
// The link judges itself: `accuracy()` says how late it was against that model, for tests whose
// outcome depends on times.
//
// Threads   One of its own moves all bytes. Every function may be called from any thread.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace larql::test {

struct wan_profile {
  std::chrono::nanoseconds round_trip{0};   ///< added to what loopback takes
  std::chrono::nanoseconds jitter{0};       ///< each piece is late by up to this, uniformly
  double up_bytes_per_second = 0;           ///< from the one who connects; 0: no limit
  double down_bytes_per_second = 0;         ///< to the one who connects; 0: no limit
  std::size_t queue_bytes = 256 * 1024;     ///< that may wait for the rate, per direction
  std::chrono::nanoseconds stall_every{0};  ///< mean time between two stalls; 0: none
  std::chrono::nanoseconds stall_length{0}; ///< nothing is sent for so long, both ways
  bool shared = true; ///< one rate and queue for all connections, not each its own
  std::uint64_t seed = 1;
};

/// What a link did, compared with its profile.
struct wan_accuracy {
  std::uint64_t up_bytes = 0, down_bytes = 0; ///< delivered
  std::uint64_t pieces = 0;
  std::chrono::nanoseconds median_lateness{0}; ///< of the last pieces, against the model
  std::chrono::nanoseconds worst_lateness{0};  ///< of all pieces
  std::uint64_t stalls = 0;
};

class wan_link {
public:
  /// Listens on a free port of 127.0.0.1; each connection is carried to `target_port` of 127.0.0.1.
  /// Throws std::system_error if the system gives no socket.
  wan_link(std::uint16_t target_port, const wan_profile& profile);
  ~wan_link(); ///< ends all connections
  wan_link(const wan_link&) = delete;
  wan_link& operator=(const wan_link&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] wan_accuracy accuracy() const;
  [[nodiscard]] std::size_t connections() const; ///< open now

  void set_profile(const wan_profile& profile); ///< for bytes that are read from now on
  /// Delivers nothing until `resume`; connections stay open.
  void pause();
  void resume();
  /// Ends all connections at once; new ones are accepted.
  void cut();

private:
  class proxy;
  std::unique_ptr<proxy> proxy_;
};

} // namespace larql::test
