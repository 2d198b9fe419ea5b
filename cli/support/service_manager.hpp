// Tells systemd how the service is, by the protocol of sd_notify(3): datagrams to the socket that
// NOTIFY_SOCKET names. Without the variable nothing happens.
//
// Blocking  Never: a manager that does not listen misses the news.
// Threads   Any.
// Source    sd_notify(3), which describes the protocol as stable and lets programs implement it.

#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace larql::cli {

class service_manager {
public:
  /// `socket` as in NOTIFY_SOCKET: a path, or "@" and an abstract name; empty for none.
  explicit service_manager(std::string socket) : socket_(std::move(socket)) {}

  void ready(std::string_view status) const;
  void stopping(std::string_view status) const;
  /// Not ready yet, but at it: the start may take this much longer.
  void starting(std::string_view status, std::chrono::seconds more) const;

private:
  void send(const std::string& text) const;

  std::string socket_;
};

} // namespace larql::cli
