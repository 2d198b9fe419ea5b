#include "actors/net/silent_peers.hpp"

#include <algorithm>
#include <array>
#include <netinet/in.h>
#include <sys/socket.h>

namespace larql::actors {

std::string silent_peers::address_of(const socket& s) {
  auto from = sockaddr_storage{};
  auto size = socklen_t{sizeof from};
  if (::getpeername(s.fd(), reinterpret_cast<sockaddr*>(&from), &size) != 0)
    return {};
  if (from.ss_family == AF_INET) {
    const auto& a = reinterpret_cast<const sockaddr_in&>(from).sin_addr;
    return {reinterpret_cast<const char*>(&a), sizeof a};
  }
  const auto& a = reinterpret_cast<const sockaddr_in6&>(from).sin6_addr;
  const auto is_v4 = IN6_IS_ADDR_V4MAPPED(&a);
  constexpr auto network_bytes = std::size_t{8};
  return {reinterpret_cast<const char*>(&a), is_v4 ? sizeof a : network_bytes};
}

void silent_peers::add(silent_peer peer) {
  const auto same = [&](const silent_peer& p) { return p.address == peer.address; };
  if (static_cast<std::size_t>(std::count_if(all_.begin(), all_.end(), same)) >= most_per_address_)
    all_.erase(std::find_if(all_.begin(), all_.end(), same));
  else if (all_.size() >= most_)
    all_.pop_front();
  all_.push_back(std::move(peer));
}

std::size_t silent_peers::close_overdue(time_limit now) {
  return std::erase_if(all_, [now](const silent_peer& p) { return p.until <= now; });
}

} // namespace larql::actors
