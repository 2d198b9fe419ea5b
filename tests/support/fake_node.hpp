// A listener of this process that treats whoever connects as a test wants: the node that lies,
// stalls or talks nonsense.

#pragma once

#include "tests/support/raw_peer.hpp"

#include <functional>
#include <thread>

namespace larql::test {

class fake_node {
public:
  using script = std::function<void(raw_peer&)>;

  /// Runs `treat` for each connection, one after the other, in a thread of its own. The connection
  /// stays open until the next one comes or the fake node ends.
  explicit fake_node(script treat) : treat_(std::move(treat)) {
    auto listening = actors::listen_on({"127.0.0.1", 0});
    if (!listening) {
      ADD_FAILURE() << listening.error().text;
      return;
    }
    listening_ = *std::move(listening);
    // Small, so that what is not read soon stays with the sender.
    const auto bytes = 16 * 1024;
    ::setsockopt(listening_.fd(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    thread_ = std::thread{[this] { serve(); }};
  }
  ~fake_node() {
    ::shutdown(listening_.fd(), SHUT_RDWR); // ends accept()
    thread_.join();
  }
  fake_node(const fake_node&) = delete;

  [[nodiscard]] std::uint16_t port() const { return actors::local_port(listening_); }
  /// An entry of --moe-shards.
  [[nodiscard]] std::string owns(std::string_view experts) const {
    return fmt::format("{}=caf://127.0.0.1:{}", experts, port());
  }

private:
  void serve() {
    auto current = std::optional<raw_peer>{};
    for (;;) {
      auto s = actors::socket{::accept4(listening_.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
      if (!s || !actors::prepare(s))
        return;
      current.emplace(std::move(s));
      treat_(*current);
    }
  }

  script treat_;
  actors::socket listening_;
  std::thread thread_;
};

} // namespace larql::test
