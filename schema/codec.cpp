#include "schema/codec.hpp"

#include "schema/wire.capnp.h"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <cstring>
#include <kj/exception.h>
#include <kj/io.h>

namespace larql::schema {

namespace {

using quant::activation_format;

kj::ArrayPtr<const kj::byte> bytes_of(std::span<const std::byte> s) {
  return {reinterpret_cast<const kj::byte*>(s.data()), s.size()};
}
std::span<const std::byte> span_of(capnp::Data::Reader d) {
  return {reinterpret_cast<const std::byte*>(d.begin()), d.size()};
}

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

// ---- structs to wire ----------------------------------------------------------------------------

void put(wire::Message::Builder m, const hello& x) {
  auto out = m.initHello();
  out.setProtocol(x.protocol);
  out.setName(x.name);
}

void put(wire::Message::Builder m, const node_description& x) {
  auto out = m.initWelcome();
  out.setProtocol(x.protocol);
  out.setNode(x.node);
  out.setIncarnation(x.incarnation);
  out.setModel(x.model);
  out.setFingerprint(bytes_of(x.weights));
  out.setLayers(x.layers);
  out.setHidden(x.hidden);
  out.setExperts(x.experts);
  out.setExpertWidth(x.expert_width);
  out.setFirstLayer(x.owned.layers.first);
  out.setLastLayer(x.owned.layers.last);
  out.setFirstExpert(x.owned.experts.first);
  out.setLastExpert(x.owned.experts.last);
  auto formats = out.initFormats(static_cast<unsigned>(x.formats.size()));
  for (auto i = std::size_t{0}; i < x.formats.size(); ++i)
    formats[i] = static_cast<kj::byte>(x.formats[i]);
  out.setMaxRows(x.max_rows);
}

void put(wire::Message::Builder m, const refused& x) {
  m.initRefused().setReason(x.reason);
}

void put(wire::Message::Builder m, const expert_call& x) {
  auto out = m.initCall();
  out.setId(x.id);
  out.setLayer(x.layer);
  out.setRows(x.rows);
  out.setFormat(static_cast<wire::Format>(x.format));
  out.setActivations(bytes_of(x.activations));
  out.setScales(bytes_of(x.scales));
  out.setPickRows(bytes_of(x.pick_rows));
  out.setPickExperts(bytes_of(x.pick_experts));
  out.setPickWeights(bytes_of(x.pick_weights));
}

void put(wire::Message::Builder m, const expert_result& x) {
  auto out = m.initResult();
  out.setId(x.id);
  out.setIncarnation(x.incarnation);
  out.setRows(x.rows);
  out.setWidths(bytes_of(x.widths));
  out.setSums(bytes_of(x.sums));
  out.setComputeNanos(x.compute_ns);
  out.setQueueNanos(x.queue_ns);
}

void put(wire::Message::Builder m, const call_failed& x) {
  auto out = m.initFailed();
  out.setId(x.id);
  out.setIncarnation(x.incarnation);
  out.setCode(static_cast<wire::Failed::Code>(x.code));
  out.setText(x.text.substr(0, max_text_bytes));
}

void put(wire::Message::Builder m, const ping& x) {
  m.initPing().setNonce(x.nonce);
}

void put(wire::Message::Builder m, const pong& x) {
  auto out = m.initPong();
  out.setNonce(x.nonce);
  out.setIncarnation(x.incarnation);
  out.setServed(x.served);
  out.setWaiting(x.waiting);
  out.setDraining(x.draining);
}

// Bytes of Data that a message carries, for the size of the first segment.
std::size_t data_bytes(const message& m) {
  if (const auto* c = std::get_if<expert_call>(&m))
    return c->activations.size() + c->scales.size() + c->pick_rows.size() + c->pick_experts.size() +
           c->pick_weights.size();
  if (const auto* r = std::get_if<expert_result>(&m))
    return r->widths.size() + r->sums.size();
  return 0;
}

// ---- wire to structs ----------------------------------------------------------------------------

failure bad(std::string_view field, std::string_view what) {
  return fail(errc::corrupt, "message: {} {}", field, what);
}

result<std::string> text(capnp::Text::Reader t, std::size_t limit, std::string_view field) {
  if (t.size() > limit)
    return bad(field, fmt::format("has {} bytes, at most {} allowed", t.size(), limit));
  return std::string{t.cStr(), t.size()};
}

result<message> get(wire::Hello::Reader r) {
  auto out = hello{};
  out.protocol = r.getProtocol();
  LARQL_TRY(out.name, text(r.getName(), max_name_bytes, "hello.name"));
  return message{std::move(out)};
}

result<message> get(wire::Welcome::Reader r) {
  auto out = node_description{};
  out.protocol = r.getProtocol();
  LARQL_TRY(out.node, text(r.getNode(), max_name_bytes, "welcome.node"));
  out.incarnation = r.getIncarnation();
  LARQL_TRY(out.model, text(r.getModel(), max_text_bytes, "welcome.model"));
  const auto print = span_of(r.getFingerprint());
  if (print.size() != out.weights.size())
    return bad("welcome.fingerprint",
               fmt::format("has {} bytes, expected {}", print.size(), out.weights.size()));
  std::memcpy(out.weights.data(), print.data(), print.size());
  out.layers = r.getLayers();
  out.hidden = r.getHidden();
  out.experts = r.getExperts();
  out.expert_width = r.getExpertWidth();
  out.owned = {{r.getFirstLayer(), r.getLastLayer()}, {r.getFirstExpert(), r.getLastExpert()}};
  const auto& o = out.owned;
  if (o.layers.first > o.layers.last || o.layers.last >= out.layers ||
      o.experts.first > o.experts.last || o.experts.last >= out.experts)
    return bad("welcome", fmt::format("owns layers {}-{} and experts {}-{} of {} × {}",
                                      o.layers.first, o.layers.last, o.experts.first,
                                      o.experts.last, out.layers, out.experts));
  const auto formats = span_of(r.getFormats());
  if (formats.size() != o.layers.count())
    return bad("welcome.formats",
               fmt::format("has {} entries, expected {}", formats.size(), o.layers.count()));
  for (const auto f : formats) {
    if (f > std::byte{2})
      return bad("welcome.formats",
                 fmt::format("holds {}, which is no format", static_cast<int>(f)));
    out.formats.push_back(static_cast<activation_format>(f));
  }
  out.max_rows = r.getMaxRows();
  if (out.max_rows == 0)
    return bad("welcome.maxRows", "is 0");
  return message{std::move(out)};
}

result<message> get(wire::Refused::Reader r) {
  auto out = refused{};
  LARQL_TRY(out.reason, text(r.getReason(), max_text_bytes, "refused.reason"));
  return message{std::move(out)};
}

result<message> get(wire::Call::Reader r) {
  auto out = expert_call{};
  out.id = r.getId();
  out.layer = r.getLayer();
  out.rows = r.getRows();
  const auto format = static_cast<unsigned>(r.getFormat());
  if (format > 2)
    return bad("call.format", fmt::format("is {}, which is no format", format));
  out.format = static_cast<activation_format>(format);
  out.activations = span_of(r.getActivations());
  out.scales = span_of(r.getScales());
  out.pick_rows = span_of(r.getPickRows());
  out.pick_experts = span_of(r.getPickExperts());
  out.pick_weights = span_of(r.getPickWeights());
  return message{out};
}

result<message> get(wire::Result::Reader r) {
  auto out = expert_result{};
  out.id = r.getId();
  out.incarnation = r.getIncarnation();
  out.rows = r.getRows();
  out.widths = span_of(r.getWidths());
  out.sums = span_of(r.getSums());
  out.compute_ns = r.getComputeNanos();
  out.queue_ns = r.getQueueNanos();
  return message{out};
}

result<message> get(wire::Failed::Reader r) {
  auto out = call_failed{};
  out.id = r.getId();
  out.incarnation = r.getIncarnation();
  const auto code = static_cast<unsigned>(r.getCode());
  out.code = code > 4 ? failure_code::internal : static_cast<failure_code>(code);
  LARQL_TRY(out.text, text(r.getText(), max_text_bytes, "failed.text"));
  return message{std::move(out)};
}

result<message> get(wire::Pong::Reader r) {
  return message{
      pong{r.getNonce(), r.getIncarnation(), r.getServed(), r.getWaiting(), r.getDraining()}};
}

result<message> get(wire::Message::Reader r) {
  switch (r.which()) {
  case wire::Message::HELLO: return get(r.getHello());
  case wire::Message::WELCOME: return get(r.getWelcome());
  case wire::Message::REFUSED: return get(r.getRefused());
  case wire::Message::CALL: return get(r.getCall());
  case wire::Message::RESULT: return get(r.getResult());
  case wire::Message::FAILED: return get(r.getFailed());
  case wire::Message::PING: return message{ping{r.getPing().getNonce()}};
  case wire::Message::PONG: return get(r.getPong());
  }
  return bad("kind", fmt::format("is {}, which is not known", static_cast<unsigned>(r.which())));
}

} // namespace

void encode(const message& m, std::vector<char>& out) {
  // One segment that holds everything: Data plus generous room for the struct fields.
  const auto words = data_bytes(m) / sizeof(capnp::word) + 512;
  auto builder = capnp::MallocMessageBuilder{static_cast<unsigned>(words)};
  auto root = builder.initRoot<wire::Message>();
  std::visit([&](const auto& x) { put(root, x); }, m);
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
    return bad("length", fmt::format("is {}, not a multiple of 8", payload.size()));
  if (reinterpret_cast<std::uintptr_t>(payload.data()) % alignof(capnp::word) != 0)
    return bad("buffer", "is not aligned to 8 bytes");
  const auto words = kj::arrayPtr(reinterpret_cast<const capnp::word*>(payload.data()),
                                  payload.size() / sizeof(capnp::word));
  // Every pointer is followed once, so a message cannot make us walk more than itself.
  auto options = capnp::ReaderOptions{};
  options.traversalLimitInWords = words.size() + 64;
  options.nestingLimit = 4;
  try {
    auto reader = capnp::FlatArrayMessageReader{words, options};
    return get(reader.getRoot<wire::Message>());
  } catch (const kj::Exception& e) {
    return bad("payload", fmt::format("is not valid: {}", e.getDescription().cStr()));
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
    return fail(errc::corrupt, "frame: magic is {:08x}, expected {:08x}", magic, frame_magic);
  if (length == 0 || length > limit)
    return fail(errc::corrupt, "frame: length is {}, expected 1 to {}", length, limit);
  return length;
}

} // namespace larql::schema
