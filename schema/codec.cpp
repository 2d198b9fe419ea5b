#include "schema/codec.hpp"

#include "schema/wire_reader.hpp"
#include "schema/wire_writer.hpp"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <cstring>
#include <kj/exception.h>
#include <optional>

namespace larql::schema {

namespace {

constexpr auto word_bytes = sizeof(capnp::word);
// Of a message of one segment: the number of segments less one, and the segment's words.
constexpr auto table_bytes = std::size_t{8};

// Words that a message of the steady state takes at most; none for the others, which may be of any
// size.
std::optional<std::size_t> most_words(const message& m) {
  constexpr auto fields = std::size_t{64}; // structs, pointers, padding
  if (const auto* c = std::get_if<expert_call>(&m))
    return fields + (c->activations.size() + c->scales.size() + c->pick_rows.size() +
                     c->pick_experts.size() + c->pick_weights.size() + c->whole_rows.size()) /
                        word_bytes;
  if (const auto* r = std::get_if<expert_result>(&m))
    return fields + (r->widths.size() + r->sums.size() + r->makers.size()) / word_bytes;
  if (const auto* p = std::get_if<pong>(&m))
    return fields + 3 * p->reached.parts.size(); // of three words each
  if (std::holds_alternative<ping>(m))
    return fields;
  return std::nullopt;
}

void put_u32(char* at, std::size_t value) {
  const auto x = static_cast<std::uint32_t>(value);
  std::memcpy(at, &x, sizeof x);
}

void put_header(char* frame, std::size_t payload_bytes) {
  LARQL_CHECK(payload_bytes <= max_frame_bytes);
  put_u32(frame, frame_magic);
  put_u32(frame + 4, payload_bytes);
}

// Builds the message in memory that grows, and copies it.
void encode_copied(const message& m, std::vector<char>& out) {
  auto builder = capnp::MallocMessageBuilder{};
  write(builder.initRoot<wire::Message>(), m);
  const auto words = capnp::messageToFlatArray(builder);
  const auto bytes = words.asChars();
  const auto begin = out.size();
  out.resize(begin + frame_header_bytes + bytes.size());
  put_header(out.data() + begin, bytes.size());
  std::memcpy(out.data() + begin + frame_header_bytes, bytes.begin(), bytes.size());
}

// Builds the message where it will be sent from: one segment behind the frame's header and the
// segment table, in memory that Cap'n Proto wants cleared. False if that is at an odd place.
bool encode_in_place(const message& m, std::size_t most, std::vector<char>& out) {
  const auto begin = out.size();
  out.resize(begin + frame_header_bytes + table_bytes + most * word_bytes);
  auto* const frame = out.data() + begin;
  if (reinterpret_cast<std::uintptr_t>(frame) % alignof(capnp::word) != 0) {
    out.resize(begin);
    return false;
  }
  auto* const segment = frame + frame_header_bytes + table_bytes;
  auto builder =
      capnp::FlatMessageBuilder{kj::arrayPtr(reinterpret_cast<capnp::word*>(segment), most)};
  write(builder.initRoot<wire::Message>(), m);
  const auto words = builder.getSegmentsForOutput()[0].size();
  put_header(frame, table_bytes + words * word_bytes);
  put_u32(frame + frame_header_bytes, 0); // one segment
  put_u32(frame + frame_header_bytes + 4, words);
  out.resize(begin + frame_header_bytes + table_bytes + words * word_bytes);
  return true;
}

// What speaks at the other end, as far as its first bytes tell; empty if it could be anything.
std::string_view other_protocol(std::span<const char> header) {
  const auto begin = std::string_view{header.data(), header.size()};
  if (begin.starts_with("HTTP/"))
    return "the answer is HTTP: calls go to a node's own port (9470 unless it was told otherwise), "
           "not to its HTTP port or another server";
  if (begin.starts_with("<!DO") || begin.starts_with("<htm") || begin.starts_with("<HTM"))
    return "the answer is a web page: a web server listens there, no node";
  for (const std::string_view method : {"GET ", "HEAD ", "POST ", "PUT ", "OPTIONS "})
    if (begin.starts_with(method))
      return "the request is HTTP, which only the node's HTTP port answers";
  // Records of TLS: an alert or a handshake, of any version.
  if ((begin[0] == 0x15 || begin[0] == 0x16) && begin[1] == 0x03)
    return "the other side speaks TLS, this one has neither certificates nor a cluster secret";
  return {};
}

} // namespace

void encode(const message& m, std::vector<char>& out) {
  const auto most = most_words(m);
  if (!most || !encode_in_place(m, *most, out))
    encode_copied(m, out);
}

result<message> decode(std::span<const char> payload) {
  if (payload.size() % sizeof(capnp::word) != 0)
    return bad_message("length", fmt::format("is {}, not a multiple of 8", payload.size()));
  if (reinterpret_cast<std::uintptr_t>(payload.data()) % alignof(capnp::word) != 0)
    return bad_message("buffer", "is not aligned to 8 bytes");
  const auto words = kj::arrayPtr(reinterpret_cast<const capnp::word*>(payload.data()),
                                  payload.size() / sizeof(capnp::word));
  // Every pointer is followed once, so a message cannot make us walk more than itself.
  auto options = capnp::ReaderOptions{};
  options.traversalLimitInWords = words.size() + 64;
  options.nestingLimit = 10; // the tools of the rules of a session's answer; a reach needs 7
  try {
    auto reader = capnp::FlatArrayMessageReader{words, options};
    return read(reader.getRoot<wire::Message>());
  } catch (const kj::Exception& e) {
    return bad_message("payload", fmt::format("is not valid: {}", e.getDescription().cStr()));
  }
}

std::size_t frame_bytes(std::span<const char> frames) {
  if (frames.size() < frame_header_bytes)
    return frames.size();
  const auto length = decode_header(frames.first(frame_header_bytes), max_frame_bytes);
  return length ? std::min(frames.size(), frame_header_bytes + *length) : frames.size();
}

result<std::uint32_t> decode_header(std::span<const char> header, std::uint32_t limit) {
  if (header.size() != frame_header_bytes)
    return fail(errc::corrupt, "frame: header has {} bytes, expected {}", header.size(),
                frame_header_bytes);
  std::uint32_t magic, length;
  std::memcpy(&magic, header.data(), 4);
  std::memcpy(&length, header.data() + 4, 4);
  if (magic != frame_magic)
    if (const auto other = other_protocol(header); !other.empty())
      return fail(errc::corrupt, "frame: {}", other);
  if (magic != frame_magic)
    return fail(errc::corrupt, "frame: magic is {:08x}, expected {:08x}", magic, frame_magic);
  if (length == 0 || length > limit)
    return fail(errc::corrupt, "frame: length is {}, expected 1 to {}", length, limit);
  return length;
}

} // namespace larql::schema
