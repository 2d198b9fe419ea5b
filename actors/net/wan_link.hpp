// A link of a wide area network inside this process: TCP proxies on loopback with a round-trip
// time, jitter, rates, a queue, stalls and TCP's slow start, which follow from a seed.
//
//     auto link = wan_link::start({{"10.0.0.7", 9470}, {"10.0.0.8", 9470}}, profile);
//     // connect to 127.0.0.1:link->port(0) instead of the first, :link->port(1) of the second
//
// The model of one direction: bytes are taken as far as the sender's window reaches (wan_path.hpp),
// wait until those before them have been sent at the link's rate (bytes that wait fill the queue; a
// full queue is not read from, as a router's back-pressure), and then take half a round trip plus
// their jitter. Bytes never overtake each other. A connection's first bytes come a round trip
// later, as a TCP handshake over that distance would have taken it. What the link has not taken
// stays with its sender: the link's own sockets hold little.
//
// The link judges itself: `accuracy()` says how late it was against that model.
//
// Threads   One of its own moves all bytes. Every function may be called from any thread.
// Errors    An address that is none, and a system without sockets or threads.

#pragma once

#include "actors/net/socket.hpp"
#include "actors/net/wan_path.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace larql::actors {

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
  /// Listens on a free port of 127.0.0.1 for each target, whose host is a numeric address.
  [[nodiscard]] static result<wan_link> start(const std::vector<endpoint>& targets,
                                              const wan_profile& profile);
  wan_link(wan_link&&) noexcept;
  wan_link& operator=(wan_link&&) noexcept;
  ~wan_link(); ///< ends all connections

  /// Where connections to a target are taken. @pre target < targets
  [[nodiscard]] std::uint16_t port(std::size_t target = 0) const noexcept;
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
  explicit wan_link(std::unique_ptr<proxy> p) noexcept;

  std::unique_ptr<proxy> proxy_;
};

} // namespace larql::actors
