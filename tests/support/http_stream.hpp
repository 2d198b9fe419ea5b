// A client of an HTTP server whose answers take long: it reads as much as a test wants, keeps its
// connection for the next request, stops reading, or leaves.
//
// Every wait has a deadline.

#pragma once

#include "actors/net/socket.hpp"
#include "runtime/base/parse_number.hpp"
#include "tests/support/http_get.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include <poll.h>
#include <sys/socket.h>

namespace larql::test {

class http_stream {
public:
  explicit http_stream(std::uint16_t port) {
    auto s = actors::dial({"127.0.0.1", port}, std::chrono::steady_clock::now() + test_timeout);
    if (s)
      socket_ = *std::move(s);
    else
      ADD_FAILURE() << s.error().text;
  }

  bool send(std::string_view text) const {
    return static_cast<bool>(socket_.write(text, std::chrono::steady_clock::now() + test_timeout));
  }
  /// A request with a body; `headers` are whole lines.
  bool post(std::string_view path, std::string_view body, std::string_view headers = "") const {
    return send(fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n{}",
                            path, headers, body.size(), body));
  }
  bool get(std::string_view path, std::string_view headers = "") const {
    return send(fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n", path, headers));
  }

  /// Reads until what has been received since the last response holds the text. False if the server
  /// closes before, or at the deadline.
  [[nodiscard]] bool wait_for(std::string_view text) {
    while (received_.find(text) == std::string::npos)
      if (!read_some())
        return false;
    return true;
  }
  [[nodiscard]] const std::string& received() const noexcept { return received_; }

  /// One whole response; what follows it stays for the next. Status 0: the server closed. One to
  /// HEAD has no body, whatever its headers say.
  [[nodiscard]] http_response response(bool has_body = true) {
    auto out = http_response{};
    if (!wait_for("\r\n\r\n"))
      return out;
    const auto end = received_.find("\r\n\r\n");
    out.head = received_.substr(0, end);
    received_.erase(0, end + 4);
    const auto length = field(out.head, "content-length");
    if (!has_body)
      out.body.clear();
    else if (!length.empty())
      out.body = take(parse_number<std::size_t>(length).value_or(0));
    else if (field(out.head, "transfer-encoding") == "chunked")
      out.body = take_chunks();
    if (out.head.starts_with("HTTP/1.1 "))
      out.status = std::atoi(out.head.c_str() + 9);
    return out;
  }

  /// The server has closed the connection.
  [[nodiscard]] bool is_closed() {
    while (read_some()) {
    }
    return closed_;
  }

  /// This side sends nothing more.
  void half_close() const { ::shutdown(socket_.fd(), SHUT_WR); }
  void close() { socket_.close(); }
  [[nodiscard]] int fd() const noexcept { return socket_.fd(); }

  /// The value of a header; empty if it is absent. `name` in lower case.
  [[nodiscard]] static std::string field(const std::string& head, const std::string& name) {
    auto lower = head;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto at = lower.find("\r\n" + name + ": ");
    if (at == std::string::npos)
      return {};
    const auto begin = at + name.size() + 4;
    return head.substr(begin, head.find("\r\n", begin) - begin);
  }

private:
  bool read_some() {
    if (!actors::wait_for(socket_.fd(), POLLIN, std::chrono::steady_clock::now() + test_timeout)) {
      ADD_FAILURE() << "the server neither answers nor closes; so far: " << received_;
      return false;
    }
    char buffer[4096];
    const auto n = ::recv(socket_.fd(), buffer, sizeof buffer, 0);
    if (n <= 0) {
      closed_ = true;
      return false;
    }
    received_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }
  std::string take(std::size_t count) {
    while (received_.size() < count && read_some()) {
    }
    auto out = received_.substr(0, count);
    received_.erase(0, count);
    return out;
  }
  std::string take_chunks() {
    auto out = std::string{};
    while (wait_for("\r\n")) {
      const auto size = std::strtoul(received_.c_str(), nullptr, 16);
      received_.erase(0, received_.find("\r\n") + 2);
      out += take(size);
      (void) take(2);
      if (size == 0)
        break;
    }
    return out;
  }

  actors::socket socket_;
  std::string received_;
  bool closed_ = false;
};

/// One request on a connection of its own.
[[nodiscard]] inline http_response http_post(std::uint16_t port, std::string_view path,
                                             std::string_view body, std::string_view headers = "") {
  auto client = http_stream{port};
  return client.post(path, body, headers) ? client.response() : http_response{};
}

} // namespace larql::test
