// Mirrors cli/support/service_manager.hpp: what arrives at the socket of a service manager.

#include "cli/support/service_manager.hpp"

#include "actors/net/socket.hpp"
#include "tests/support/temporary_directory.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace larql::cli {
namespace {

using namespace std::chrono_literals;

/// The manager's end of the socket.
class manager_socket {
public:
  explicit manager_socket(const std::string& path) {
    auto at = sockaddr_un{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, path.data(), path.size());
    EXPECT_EQ(::bind(socket_.fd(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  }
  [[nodiscard]] std::string next() const {
    auto p = pollfd{socket_.fd(), POLLIN, 0};
    char text[512];
    if (::poll(&p, 1, 30000) != 1)
      return "nothing";
    const auto n = ::recv(socket_.fd(), text, sizeof text, 0);
    return n < 0 ? "error" : std::string(text, static_cast<std::size_t>(n));
  }

private:
  actors::socket socket_{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

TEST(ServiceManager, HearsOfStartReadinessAndEnd) {
  const auto scratch = test::temporary_directory{};
  const auto path = (scratch / "notify").string();
  const auto manager = manager_socket{path};
  const auto service = service_manager{path};
  service.starting("warm-up", 60s);
  EXPECT_EQ(manager.next(), "STATUS=warm-up\nEXTEND_TIMEOUT_USEC=60000000");
  service.ready("experts 0-63\nREADY=0");
  EXPECT_EQ(manager.next(), "READY=1\nSTATUS=experts 0-63 READY=0");
  service.stopping("draining");
  EXPECT_EQ(manager.next(), "STOPPING=1\nSTATUS=draining");
}

TEST(ServiceManager, IsNotMissedWhereThereIsNone) {
  service_manager{""}.ready("x");
  service_manager{"/nowhere/at/all"}.ready("x");
  service_manager{std::string(500, 'a')}.ready("x");
}

} // namespace
} // namespace larql::cli
