// A connection to a node that sends whatever a test wants, and reads what comes back.
//
// Every operation has a deadline, so a test that waits for something that never comes fails.

#pragma once

#include "actors/net/handshake.hpp"
#include "actors/net/socket.hpp"
#include "schema/codec.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/wire_frame.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string_view>
#include <vector>

#include <sys/socket.h>

namespace larql::test {

/// Eight bytes that claim a payload of this length.
inline std::vector<char> frame_header(std::uint32_t length) {
  auto out = std::vector<char>(schema::frame_header_bytes);
  std::memcpy(out.data(), &schema::frame_magic, 4);
  std::memcpy(out.data() + 4, &length, 4);
  return out;
}

class raw_peer {
public:
  /// Connects to a port of this machine.
  explicit raw_peer(std::uint16_t port) : port_(port) {
    auto dialled = actors::dial({"127.0.0.1", port}, until());
    if (dialled)
      socket_ = *std::move(dialled);
    else
      ADD_FAILURE() << dialled.error().text;
  }
  explicit raw_peer(actors::socket connected) : socket_(std::move(connected)) {}

  /// False if the other side closed the connection before it took all of it.
  bool send(std::span<const char> bytes) const {
    return static_cast<bool>(socket_.write(bytes, until()));
  }
  bool send(const schema::message& m) const { return send(frame_of(m)); }

  /// Says hello; what the node is. Without a model, a node answers no calls.
  std::optional<schema::node_description>
  greet(std::optional<schema::model_identity> model = std::nullopt) const {
    auto frame = frame_of(schema::hello{schema::protocol_version, "raw peer", std::move(model)});
    const auto payload = send(frame) ? read_payload() : std::nullopt;
    const auto m = payload ? schema::decode(*payload) : fail(errc::unavailable, "no answer");
    const auto* welcome = m ? std::get_if<schema::node_description>(&*m) : nullptr;
    if (welcome == nullptr) {
      ADD_FAILURE() << (m ? "the node did not welcome" : m.error().text);
      return std::nullopt;
    }
    return *welcome;
  }
  /// The same with the node's own model, which another connection asks for first.
  std::optional<schema::node_description> greet_to_call() const {
    const auto scout = raw_peer{port_}.greet();
    return scout ? greet(scout->model) : std::nullopt;
  }

  /// The node's side of the handshake: whether a laptop said hello and was welcomed.
  bool welcome(const schema::node_description& node) {
    incarnation_ = node.incarnation;
    return read_payload().has_value() && send(node);
  }

  /// The payload of the next frame; nothing if the connection ended instead.
  std::optional<std::vector<char>> read_payload() const {
    char header[schema::frame_header_bytes];
    if (!socket_.read(header, until()))
      return std::nullopt;
    const auto length = schema::decode_header(header, schema::max_frame_bytes);
    if (!length) {
      ADD_FAILURE() << length.error().text;
      return std::nullopt;
    }
    auto body = std::vector<char>(*length);
    if (!socket_.read(body, until()))
      return std::nullopt;
    return body;
  }

  /// The next message if it is a T; spans of it are valid until the next call. Pings before it are
  /// answered, so that a busy machine does not make this peer look dead, and questions for the
  /// status as by a node that has nothing in memory, whose known answers nobody asks for.
  template <class T>
  std::optional<T> read() {
    for (;;) {
      auto body = read_payload();
      if (!body)
        return std::nullopt;
      last_ = *std::move(body);
      const auto m = schema::decode(last_);
      if (!m) {
        ADD_FAILURE() << m.error().text;
        return std::nullopt;
      }
      if (const auto* wanted = std::get_if<T>(&*m))
        return *wanted;
      auto sent = false;
      if (const auto* ping = std::get_if<schema::ping>(&*m))
        sent = send(schema::pong{ping->nonce, incarnation_});
      else if (const auto* ask = std::get_if<schema::ask_status>(&*m))
        sent = send(schema::node_status{ask->nonce, incarnation_});
      else
        ADD_FAILURE() << "message is of kind " << m->index();
      if (!sent)
        return std::nullopt;
    }
  }

  /// Whether the other side closes the connection; what it still sends is read and dropped.
  [[nodiscard]] bool is_closed_by_peer() const {
    char byte;
    for (;;) {
      const auto got = socket_.read({&byte, 1}, until());
      if (!got)
        return got.error().code == errc::unavailable;
    }
  }

  void close() { socket_.close(); }
  /// Ends the connection with a reset instead of an orderly close.
  void reset() {
    const auto at_once = linger{1, 0};
    ::setsockopt(socket_.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket_.close();
  }
  void end_sending() const { ::shutdown(socket_.fd(), SHUT_WR); }

private:
  static actors::time_limit until() { return std::chrono::steady_clock::now() + test_timeout; }

  std::uint16_t port_ = 0;
  actors::socket socket_;
  std::uint64_t incarnation_ = 0;
  std::vector<char> last_;
};

} // namespace larql::test
