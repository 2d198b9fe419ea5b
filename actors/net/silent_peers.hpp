// Accepted connections whose peers have sent nothing yet: a bounded number, of which one address
// has a share. A new one takes the place of the one that has been silent longest.
//
// Threads   Plain state.

#pragma once

#include "actors/net/socket.hpp"

#include <cstddef>
#include <list>
#include <string>

namespace larql::actors {

struct silent_peer {
  socket connection;
  std::string address; ///< of the host; of IPv6 its network of 64 bits
  time_limit until;    ///< when it must have spoken, and been greeted
};

class silent_peers {
public:
  silent_peers(std::size_t most, std::size_t most_per_address)
      : most_(most), most_per_address_(most_per_address) {}

  /// The address of a connected socket's other side; empty if it has gone.
  [[nodiscard]] static std::string address_of(const socket& s);

  /// Closes the oldest of the same address, or of all, if there is no place for this one.
  void add(silent_peer peer);

  /// Closes those whose time is over; how many.
  std::size_t close_overdue(time_limit now);

  /// Oldest first.
  [[nodiscard]] std::list<silent_peer>& all() noexcept { return all_; }

private:
  std::size_t most_;
  std::size_t most_per_address_;
  std::list<silent_peer> all_;
};

} // namespace larql::actors
