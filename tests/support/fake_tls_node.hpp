// A listener of this process that speaks TLS as it should, up to the point where a test makes it
// stop: the node that lies, stalls or breaks off inside the encryption.
//
// Each connection is treated in a thread of its own, and stays open until the fake node ends.

#pragma once

#include "actors/net/message_io.hpp"
#include "tests/support/child_process.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

namespace larql::test {

class fake_tls_node {
public:
  using script = std::function<void(actors::socket)>;

  explicit fake_tls_node(script treat) : treat_(std::move(treat)) {
    auto listening = actors::listen_on({"127.0.0.1", 0});
    if (!listening) {
      ADD_FAILURE() << listening.error().text;
      return;
    }
    listening_ = *std::move(listening);
    acceptor_ = std::jthread{[this] { serve(); }};
  }
  ~fake_tls_node() {
    ::shutdown(listening_.fd(), SHUT_RDWR); // ends accept()
    acceptor_ = {};
    peers_.clear(); // joins
  }
  fake_tls_node(const fake_tls_node&) = delete;

  [[nodiscard]] std::uint16_t port() const { return actors::local_port(listening_); }

  /// Shakes hands; nothing if the laptop does not want to.
  [[nodiscard]] static std::optional<actors::secure_stream>
  shaken(actors::socket s, const actors::tls_context_ptr& tls) {
    auto out = actors::secure_stream::accepted(std::move(s), tls, soon());
    return out ? std::optional{*std::move(out)} : std::nullopt;
  }
  /// The same, and reads the laptop's hello and welcomes it.
  [[nodiscard]] static std::optional<actors::secure_stream>
  greeted(actors::socket s, const actors::tls_context_ptr& tls,
          const schema::node_description& node) {
    auto out = shaken(std::move(s), tls);
    if (!out || !actors::read_message(*out, schema::max_hello_bytes, soon()) ||
        !actors::write_message(*out, node, soon()))
      return std::nullopt;
    return out;
  }
  /// Waits until the other side has closed the connection.
  static void wait_for_end(int fd) {
    char byte;
    while (actors::wait_for(fd, POLLIN, soon()) && ::recv(fd, &byte, 1, 0) > 0) {
    }
  }
  static actors::time_limit soon() { return std::chrono::steady_clock::now() + test_timeout; }

private:
  void serve() {
    for (;;) {
      auto s = actors::socket{::accept4(listening_.fd(), nullptr, nullptr, SOCK_CLOEXEC)};
      if (!s || !actors::prepare(s))
        return;
      peers_.emplace_back([this, s = std::move(s)]() mutable { treat_(std::move(s)); });
    }
  }

  script treat_;
  actors::socket listening_;
  std::vector<std::jthread> peers_; // of the acceptor, until it has ended
  std::jthread acceptor_;
};

} // namespace larql::test
