#include "actors/net/handshake.hpp"

#include "schema/codec.hpp"

namespace larql::actors {

namespace {

// The buffer keeps decoded spans valid.
struct received {
  std::vector<char> buffer;
  schema::message message;
};

result<received> read_message(const socket& s, std::uint32_t limit, time_limit until) {
  char header[schema::frame_header_bytes];
  LARQL_TRY_VOID(s.read(header, until));
  auto length = schema::decode_header(header, limit);
  if (!length)
    return std::move(length).error().in(s.peer());
  auto out = received{};
  out.buffer.resize(*length);
  LARQL_TRY_VOID(s.read(out.buffer, until));
  auto decoded = schema::decode(out.buffer);
  if (!decoded)
    return std::move(decoded).error().in(s.peer());
  out.message = *std::move(decoded);
  return out;
}

result<void> write_message(const socket& s, const schema::message& m, time_limit until) {
  auto frame = std::vector<char>{};
  schema::encode(m, frame);
  return s.write(frame, until);
}

} // namespace

result<schema::node_description> greet_node(const socket& s, const schema::hello& hello,
                                            time_limit until) {
  LARQL_TRY_VOID(write_message(s, hello, until));
  // A description grows with the layers; it is far smaller than any call.
  LARQL_TRY(auto answer, read_message(s, schema::max_hello_bytes * 16, until));
  if (const auto* no = std::get_if<schema::refused>(&answer.message))
    return fail(errc::mismatch, "{}: refused the connection: {}", s.peer(), no->reason);
  auto* yes = std::get_if<schema::node_description>(&answer.message);
  if (yes == nullptr)
    return fail(errc::corrupt, "{}: answered hello with another message", s.peer());
  if (yes->protocol != schema::protocol_version)
    return fail(errc::mismatch, "{}: speaks protocol version {}, expected {}", s.peer(),
                yes->protocol, schema::protocol_version);
  return std::move(*yes);
}

result<schema::hello> greet_laptop(const socket& s, const schema::node_description& self,
                                   time_limit until) {
  LARQL_TRY(auto first, read_message(s, schema::max_hello_bytes, until));
  const auto* hello = std::get_if<schema::hello>(&first.message);
  if (hello == nullptr)
    return fail(errc::corrupt, "{}: first message is not hello", s.peer());
  if (hello->protocol != schema::protocol_version) {
    const auto no = schema::refused{fmt::format("protocol version is {}, this node speaks {}",
                                                hello->protocol, schema::protocol_version)};
    LARQL_TRY_VOID(write_message(s, no, until));
    return fail(errc::mismatch, "{}: {}", s.peer(), no.reason);
  }
  LARQL_TRY_VOID(write_message(s, self, until));
  return *hello;
}

} // namespace larql::actors
