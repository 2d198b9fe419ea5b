#include "cli/support/service_manager.hpp"

#include "actors/net/socket.hpp"
#include "runtime/base/log.hpp"

#include <cstddef>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>

namespace larql::cli {

void service_manager::ready(std::string_view status) const {
  send(fmt::format("READY=1\nSTATUS={}", one_line(status)));
}

void service_manager::stopping(std::string_view status) const {
  send(fmt::format("STOPPING=1\nSTATUS={}", one_line(status)));
}

void service_manager::starting(std::string_view status, std::chrono::seconds more) const {
  send(fmt::format("STATUS={}\nEXTEND_TIMEOUT_USEC={}", one_line(status),
                   std::chrono::microseconds{more}.count()));
}

void service_manager::send(const std::string& text) const {
  auto to = sockaddr_un{};
  if (socket_.empty() || socket_.size() >= sizeof to.sun_path)
    return;
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, socket_.data(), socket_.size());
  if (to.sun_path[0] == '@')
    to.sun_path[0] = '\0'; // the abstract namespace
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const auto s = actors::socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (s)
    (void) ::sendto(s.fd(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                    reinterpret_cast<const sockaddr*>(&to), length);
}

} // namespace larql::cli
