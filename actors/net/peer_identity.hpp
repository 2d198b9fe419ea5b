// Who is at the other end of a connection, as far as that was proven.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace larql::actors {

/// What a peer may ask. On certificates as OU: never change the names.
enum class peer_role : std::uint8_t {
  anyone,   ///< nothing was proven: loopback without TLS, or a cluster secret
  laptop,   ///< calls and status
  node,     ///< announces itself; answers calls
  operator_ ///< calls and status, and drain and restart
};

struct peer_identity {
  peer_role role = peer_role::anyone;
  std::string name = {}; ///< of the certificate; empty for anyone
  /// When the certificate expires; none for anyone.
  std::optional<std::chrono::system_clock::time_point> until = {};

  [[nodiscard]] bool may_call() const noexcept { return role != peer_role::node; }
  [[nodiscard]] bool may_control() const noexcept {
    return role == peer_role::anyone || role == peer_role::operator_;
  }
  [[nodiscard]] bool may_serve() const noexcept {
    return role == peer_role::anyone || role == peer_role::node;
  }
};

/// "laptop", "node", "operator"; "anyone".
[[nodiscard]] const char* name_of(peer_role role) noexcept;

} // namespace larql::actors
