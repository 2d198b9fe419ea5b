// TCP sockets with deadlines, used outside CAF's network thread: dialling, accepting, and the first
// messages of a connection. Afterwards the descriptor is handed to a broker.
//
// Blocking  Every call returns by its deadline.
// Errors    Name the peer or the address.
// Owner     socket owns its descriptor.

#pragma once

#include "runtime/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <sys/socket.h>
#include <vector>

namespace larql::actors {

using time_limit = std::chrono::steady_clock::time_point;

/// Waits until the descriptor is ready for the events of poll(); false at the deadline.
[[nodiscard]] bool wait_for(int fd, short events, time_limit until);

class socket {
public:
  socket() = default;
  explicit socket(int fd) : fd_(fd) {}
  socket(socket&& other) noexcept;
  socket& operator=(socket&& other) noexcept;
  ~socket();

  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  /// Gives up ownership.
  [[nodiscard]] int release() noexcept;
  void close() noexcept;

  /// "127.0.0.1:9470" of the other side, for messages; also after it has reset the connection, if
  /// remember_peer() was called before.
  [[nodiscard]] std::string peer() const;
  void remember_peer() { peer_ = peer(); }

  [[nodiscard]] result<void> read(std::span<char> out, time_limit until) const;
  [[nodiscard]] result<void> write(std::span<const char> bytes, time_limit until) const;

private:
  int fd_ = -1;
  std::string peer_; // empty: ask the system
};

struct endpoint {
  std::string host;
  std::uint16_t port = 0;
};
[[nodiscard]] std::string to_string(const endpoint& e);

/// An address as the system takes it.
struct numeric_address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};
/// Of a host that is given as a number.
[[nodiscard]] result<numeric_address> numeric(const endpoint& e);

/// Connects to whichever address of the name answers first: each is tried a quarter of a second
/// after the one before it, or when that has failed (RFC 8305). The result does not block and has
/// TCP_NODELAY set.
[[nodiscard]] result<socket> dial(const endpoint& to, time_limit until);
/// The same for addresses that are given as numbers.
[[nodiscard]] result<socket> dial_any(std::span<const endpoint> numeric, time_limit until);

/// Every address a name stands for, as numbers, each once, in a fixed order. Blocks as long as the
/// system's resolver does.
[[nodiscard]] result<std::vector<std::string>> resolve_all(const endpoint& name);

/// Listens on a numeric address or name; port 0 lets the system choose (see local_port).
[[nodiscard]] result<socket> listen_on(const endpoint& at);
[[nodiscard]] std::uint16_t local_port(const socket& s);

/// True for addresses that only this machine can reach.
[[nodiscard]] bool is_loopback(const std::string& host);

/// Ends both directions at once. For the owner of the descriptor, or while it is kept from closing.
void hang_up(int fd) noexcept;

/// Makes a connected descriptor non-blocking, remembers its peer, and sets TCP_NODELAY, keep-alive
/// and the most bytes that the system takes before it can send them.
[[nodiscard]] result<void> prepare(socket& s);

} // namespace larql::actors
