// A client for the HTTP endpoint of a node, as hostile or as plain as a test wants.

#pragma once

#include "actors/net/socket.hpp"
#include "tests/support/child_process.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>

namespace larql::test {

struct http_response {
  int status = 0; ///< 0: closed without an answer
  std::string head;
  std::string body;
};

/// A connection that sends what it is told.
class http_peer {
public:
  explicit http_peer(std::uint16_t port) {
    auto s = actors::dial({"127.0.0.1", port}, deadline());
    if (s)
      socket_ = *std::move(s);
    else
      ADD_FAILURE() << s.error().text;
  }

  [[nodiscard]] bool send(std::string_view text) const {
    return static_cast<bool>(socket_.write(text, deadline()));
  }

  /// Everything until the server closes. Nothing if it does not within `limit`.
  [[nodiscard]] std::optional<std::string>
  read_all(std::chrono::milliseconds limit = std::chrono::milliseconds{test_timeout}) const {
    auto out = std::string{};
    const auto until = std::chrono::steady_clock::now() + limit;
    char c[1];
    while (true) {
      if (!socket_.read(c, until)) {
        if (std::chrono::steady_clock::now() >= until)
          return std::nullopt;
        return out;
      }
      out += c[0];
    }
  }

  [[nodiscard]] http_response reply() const {
    auto out = http_response{};
    const auto all = read_all();
    if (!all) {
      ADD_FAILURE() << "the server neither answers nor closes";
      return out;
    }
    const auto end = all->find("\r\n\r\n");
    if (!all->starts_with("HTTP/1.1 ") || end == std::string::npos)
      return out;
    out.status = std::atoi(all->c_str() + 9);
    out.head = all->substr(0, end);
    out.body = all->substr(end + 4);
    return out;
  }

private:
  static actors::time_limit deadline() { return std::chrono::steady_clock::now() + test_timeout; }

  actors::socket socket_;
};

[[nodiscard]] inline http_response http_get(std::uint16_t port, std::string_view path,
                                            std::string_view method = "GET") {
  const auto peer = http_peer{port};
  if (!peer.send(fmt::format("{} {} HTTP/1.1\r\nHost: test\r\n\r\n", method, path)))
    return {};
  return peer.reply();
}

} // namespace larql::test
