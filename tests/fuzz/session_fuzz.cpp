// Fuzz target: what the two sides of a session make of each other's messages. The first byte says
// which side reads; the rest are frames.
//
//   even  a node: requests become generations over a small tokenizer
//   odd   a laptop: events of one request, whose client hears what makes sense and one end

#include "actors/laptop/remote_request.hpp"
#include "actors/net/frame_reader.hpp"
#include "actors/session/placed_form.hpp"
#include "schema/codec.hpp"
#include "tests/fuzz/fuzz_tokenizer.hpp"

namespace larql::actors {
namespace {

const generation_parts& parts() {
  static const auto out =
      generation_parts{fuzz::chat_tokenizer(),
                       [] {
                         static const auto engine =
                             grammar::constraint_engine::create(fuzz::chat_tokenizer(), {3});
                         return engine;
                       },
                       static_cast<std::uint32_t>(fuzz::chat_tokenizer().size())};
  return out;
}

void read_as_node(const schema::session_message& m) {
  const auto* order = std::get_if<schema::session_order>(&m.what);
  const auto* ask = order == nullptr ? nullptr : std::get_if<schema::session_ask>(&order->what);
  if (ask == nullptr)
    return;
  for (const auto& a : ask->answers)
    if (const auto g = restore(a, parts()); g && a.given.empty())
      (void) describe(*g); // whatever was accepted can be asked of another place
}

struct one_request {
  std::size_t ends = 0;
  std::uint64_t next = 1;
  remote_request request;

  one_request()
      : request(1,
                [this] {
                  auto call = session_call{};
                  auto o = generate::generation_options{};
                  o.max_tokens = 20;
                  o.stop_texts = {"ab"};
                  for (auto i = 0; i < 2; ++i)
                    call.request.answers.emplace_back(o,
                                                      text::output_reader{fuzz::chat_tokenizer()});
                  call.on_event = [this](session_event e) {
                    ends += std::holds_alternative<answer_end>(e) ? 1 : 0;
                  };
                  return call;
                }(),
                {1, 2, 3}, {}) {
    (void) request.orders(next);
  }
};

void run(std::span<const char> bytes) {
  if (bytes.empty())
    return;
  const auto as_node = bytes[0] % 2 == 0;
  bytes = bytes.subspan(1);
  auto frames = frame_reader{schema::max_session_bytes};
  auto laptop = one_request{};
  while (bytes.size() >= frames.wanted()) {
    auto piece = std::vector<char>(bytes.begin(),
                                   bytes.begin() + static_cast<std::ptrdiff_t>(frames.wanted()));
    bytes = bytes.subspan(piece.size());
    const auto frame = frames.take(piece);
    if (!frame)
      break;
    auto m = *frame ? schema::decode(**frame) : result<schema::message>{schema::refused{}};
    auto* session = m ? std::get_if<schema::session_message>(&*m) : nullptr;
    if (session == nullptr)
      continue;
    if (as_node)
      read_as_node(*session);
    else if (auto* e = std::get_if<schema::session_event>(&session->what);
             e != nullptr && laptop.request.has(e->request))
      (void) laptop.request.take(e->request, std::move(*e), {});
  }
  laptop.request.settle({});
  laptop.request.end(std::nullopt, {});
  LARQL_CHECK(laptop.ends == 2);
}

} // namespace
} // namespace larql::actors

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  larql::actors::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
