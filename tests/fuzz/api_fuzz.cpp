// Fuzz target: requests of the API, from strangers.
//
// The first byte chooses the endpoint, the rest is the body. A request that is taken must be one
// that can be asked; one that is not names what is wrong. What the model would answer is part of
// the body, so that the shapes of answers meet any text.

#include "cli/serve/server/prepare.hpp"
#include "tests/cli/serve/fake_backend.hpp"

#include <array>

namespace larql::serve {
namespace {

constexpr auto endpoints =
    std::array{endpoint::chat_completions, endpoint::completions,  endpoint::responses,
               endpoint::messages,         endpoint::count_tokens, endpoint::ollama_chat,
               endpoint::ollama_generate,  endpoint::tokenize,     endpoint::detokenize,
               endpoint::apply_template};

// The pieces of the body as they would come from the model.
std::vector<completion_event> events_of(std::string_view text) {
  auto out = std::vector<completion_event>{prompt_progress{0, 0, text.size()}};
  for (auto i = std::size_t{0}; i < text.size() && i < 64; i += 8) {
    auto piece = std::string{text.substr(i, 8)};
    switch (static_cast<unsigned char>(text[i]) % 4) {
    case 0: out.push_back(text_delta{0, piece, {{{piece, -1.0f}, {}}}}); break;
    case 1: out.push_back(reasoning_delta{0, piece}); break;
    case 2: out.push_back(call_begin{0, 0, "c", piece}); break;
    default: out.push_back(call_arguments{0, 0, piece}); break;
    }
  }
  out.push_back(choice_end{0, finish_reason::stop, {}});
  out.push_back(completion_end{});
  return out;
}

void run(std::string_view bytes) {
  if (bytes.empty())
    return;
  const auto to = endpoints[static_cast<unsigned char>(bytes[0]) % endpoints.size()];
  const auto text = bytes.substr(1);
  const auto body = parse_body(text);
  if (!body) {
    LARQL_CHECK(!body.error().text.empty());
    return;
  }
  static auto backend = test::fake_backend{};
  auto prepared = prepare(to, *body, test::identity(), backend);
  if (!prepared) {
    const auto& error = prepared.error();
    LARQL_CHECK(!error.message.empty() && status_of(error.kind) == 400);
    for (const auto p : {protocol::openai, protocol::anthropic, protocol::ollama})
      LARQL_CHECK(!to_text(error_body(p, error)).empty());
    return;
  }
  if (!prepared->writer)
    return;
  const auto& ask = prepared->ask;
  LARQL_CHECK(!ask.messages.empty() || !ask.prompts.empty());
  LARQL_CHECK(ask.choices >= 1 && (!ask.max_tokens || *ask.max_tokens >= 1));
  const auto events = events_of(text);
  LARQL_CHECK(!test::stream_of(*prepared->writer, events).empty());
  LARQL_CHECK(test::whole_of(*prepared->writer, events).is_object());
}

} // namespace
} // namespace larql::serve

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  larql::serve::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
