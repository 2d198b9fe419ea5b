#include "schema/codec.hpp"

#include "schema/wire_reader.hpp"
#include "schema/wire_writer.hpp"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <cstring>
#include <kj/exception.h>
#include <kj/io.h>

namespace larql::schema {

namespace {

class append_stream final : public kj::OutputStream {
public:
  explicit append_stream(std::vector<char>& out) : out_(out) {}
  void write(const void* data, std::size_t n) override {
    const auto* p = static_cast<const char*>(data);
    out_.insert(out_.end(), p, p + n);
  }

private:
  std::vector<char>& out_;
};

// Bytes of Data that a message carries, for the size of the first segment.
std::size_t data_bytes(const message& m) {
  if (const auto* c = std::get_if<expert_call>(&m))
    return c->activations.size() + c->scales.size() + c->pick_rows.size() + c->pick_experts.size() +
           c->pick_weights.size();
  if (const auto* r = std::get_if<expert_result>(&m))
    return r->widths.size() + r->sums.size();
  return 0;
}

// What speaks at the other end, as far as its first bytes tell; empty if it could be anything.
std::string_view other_protocol(std::span<const char> header) {
  const auto begin = std::string_view{header.data(), header.size()};
  if (begin.starts_with("HTTP/"))
    return "the answer is HTTP: calls go to a node's own port (9470 unless it was told otherwise), "
           "not to its HTTP port or another server";
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
  // One segment that holds everything: Data plus generous room for the struct fields.
  const auto words = data_bytes(m) / sizeof(capnp::word) + 512;
  auto builder = capnp::MallocMessageBuilder{static_cast<unsigned>(words)};
  write(builder.initRoot<wire::Message>(), m);
  const auto payload = capnp::computeSerializedSizeInWords(builder) * sizeof(capnp::word);
  LARQL_CHECK(payload <= max_frame_bytes);
  const auto length = static_cast<std::uint32_t>(payload);
  char header[frame_header_bytes];
  std::memcpy(header, &frame_magic, 4);
  std::memcpy(header + 4, &length, 4);
  out.reserve(out.size() + sizeof header + payload);
  out.insert(out.end(), header, header + sizeof header);
  auto stream = append_stream{out};
  capnp::writeMessage(stream, builder);
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
  options.nestingLimit = 5; // a list's entries have descriptions
  try {
    auto reader = capnp::FlatArrayMessageReader{words, options};
    return read(reader.getRoot<wire::Message>());
  } catch (const kj::Exception& e) {
    return bad_message("payload", fmt::format("is not valid: {}", e.getDescription().cStr()));
  }
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
