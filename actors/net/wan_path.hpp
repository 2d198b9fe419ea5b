// One direction of a link of a wide area network, as numbers: when bytes that are handed in have
// been sent, and how many TCP would send before it hears back. wan_link.hpp moves real bytes by it.
//
// Times are arguments; nothing here reads a clock, so that the model can be checked by itself.
//
// Units     Bytes, bytes per second.
// Threads   Plain state; one owner.
// Source    RFC 5681 and 6928; what Linux does after a pause and before a window is used up, from
//           tcp_cwnd_restart() and tcp_is_cwnd_limited().

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace larql::actors {

/// Ten segments of 1,460 bytes: what a connection may send before it hears back (RFC 6928).
inline constexpr std::size_t tcp_first_window_bytes = 14'600;

struct wan_profile {
  std::chrono::nanoseconds round_trip{0};   ///< added to what loopback takes
  std::chrono::nanoseconds jitter{0};       ///< each piece is late by up to this, uniformly
  double up_bytes_per_second = 0;           ///< from the one who connects; 0: no limit
  double down_bytes_per_second = 0;         ///< to the one who connects; 0: no limit
  std::size_t queue_bytes = 256 * 1024;     ///< that may wait for the rate, per direction
  std::chrono::nanoseconds stall_every{0};  ///< mean time between two stalls; 0: none
  std::chrono::nanoseconds stall_length{0}; ///< nothing is sent for so long, both ways
  std::size_t first_window_bytes = 0;       ///< of TCP's slow start; 0: it is not modelled
  bool shared = true; ///< one rate and queue for all connections, not each its own
  std::uint64_t seed = 1;
};

using wan_time = std::chrono::steady_clock::time_point;

/// What sends bytes one after the other at a rate, for one connection or for all.
class wan_sender {
public:
  /// When bytes that are handed in at `now` have left, behind those before them, and not before
  /// `not_before`.
  wan_time send(wan_time now, std::size_t bytes, double rate, wan_time not_before);
  /// Until when the queue is too full to take more; a time in the past if it is not.
  [[nodiscard]] wan_time full_until(double rate, std::size_t queue_bytes) const;

private:
  wan_time busy_until_{};
};

/// The congestion window of one connection's direction. It begins small, grows by what is
/// acknowledged while it is what holds the sender back, so that it doubles in each round trip, and
/// is halved for every retransmission time-out in which nothing was sent. The link loses nothing,
/// so it ends where the queue is full.
class tcp_window {
public:
  /// Does nothing where the profile has no window or no round trip. `rate` is the direction's.
  tcp_window(const wan_profile& profile, double rate);

  /// Bytes that may be sent at `now`; less than a segment counts as none.
  [[nodiscard]] std::size_t room(wan_time now);
  /// They were sent at `now`, and the sender hears at `acknowledged` that they have come.
  void sent(wan_time now, std::size_t bytes, wan_time acknowledged);
  /// When there will be more room. @pre room() was less than asked for
  [[nodiscard]] wan_time more_room_at() const noexcept { return in_flight_.front().at; }

  [[nodiscard]] std::size_t size() const noexcept { return window_; }

private:
  struct flight {
    wan_time at;
    std::size_t bytes;
  };

  void hear(wan_time now);
  void rest(wan_time now);

  std::size_t first_;
  std::size_t most_;
  std::chrono::nanoseconds time_out_;
  std::size_t window_;
  std::deque<flight> in_flight_;
  std::size_t flying_ = 0;
  std::size_t most_flying_ = 0;    // in the current round trip
  std::uint64_t sent_ = 0;         // ever
  std::uint64_t acknowledged_ = 0; // ever
  std::uint64_t round_ends_ = 0;   // when so much is acknowledged
  wan_time quiet_since_{};         // the last bytes were sent, or the window was halved for it
};

/// The mean of the largest of `n` round trips' jitter, each the sum of two delays up to `jitter`.
[[nodiscard]] std::chrono::nanoseconds expected_jitter(std::chrono::nanoseconds jitter,
                                                       std::size_t n);

} // namespace larql::actors
