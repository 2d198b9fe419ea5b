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

/// What a certificate allows beside its role. As further OUs on it: never change the names.
struct peer_capabilities {
  bool sessions = false;    ///< opens sessions at nodes
  bool calls_nodes = false; ///< of a node: calls other nodes

  friend bool operator==(const peer_capabilities&, const peer_capabilities&) = default;
};
inline constexpr const char* sessions_capability = "sessions";
inline constexpr const char* calls_nodes_capability = "calls-nodes";

struct peer_identity {
  peer_role role = peer_role::anyone;
  std::string name = {}; ///< of the certificate; empty for anyone
  /// When the certificate expires; none for anyone.
  std::optional<std::chrono::system_clock::time_point> until = {};
  peer_capabilities also = {};

  [[nodiscard]] bool may_call() const noexcept {
    return role != peer_role::node || also.calls_nodes;
  }
  [[nodiscard]] bool may_open_sessions() const noexcept {
    return role == peer_role::anyone || also.sessions;
  }
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
