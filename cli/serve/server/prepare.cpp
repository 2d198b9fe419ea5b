#include "cli/serve/server/prepare.hpp"

#include "cli/serve/anthropic/messages_request.hpp"
#include "cli/serve/anthropic/messages_writer.hpp"
#include "cli/serve/api/field_reader.hpp"
#include "cli/serve/ollama/models.hpp"
#include "cli/serve/ollama/requests.hpp"
#include "cli/serve/ollama/text_writer.hpp"
#include "cli/serve/openai/chat_writer.hpp"
#include "cli/serve/openai/completion_writer.hpp"
#include "cli/serve/openai/requests.hpp"
#include "cli/serve/openai/responses_request.hpp"
#include "cli/serve/openai/responses_writer.hpp"
#include "cli/serve/page/page_writer.hpp"

namespace larql::serve {

namespace {

using prepared = api_result<prepared_answer>;

prepared known(ordered_json answer) {
  auto out = prepared_answer{};
  out.now = std::move(answer);
  return out;
}

prepared answer_by(completion_request ask, std::unique_ptr<answer_writer> writer) {
  return prepared_answer{std::move(ask), std::move(writer), {}};
}

prepared prepare_chat(const ordered_json& body, const answer_identity& identity) {
  LARQL_TRY(auto request, openai::read_chat_request(body));
  const auto options = openai::chat_writer::options{request.stream, request.include_usage,
                                                    request.ask.logprobs, request.ask.choices};
  return answer_by(std::move(request.ask),
                   std::make_unique<openai::chat_writer>(identity, options));
}

// The page says what it wants as any client of chat completions does.
prepared prepare_page_answer(const ordered_json& body) {
  LARQL_TRY(auto request, openai::read_chat_request(body));
  if (request.ask.choices != 1)
    return api_error{error_kind::unsupported, "the page shows one answer at a time", "n"};
  request.ask.logprobs = false;
  return answer_by(std::move(request.ask), std::make_unique<page_writer>());
}

prepared prepare_completions(const ordered_json& body, const answer_identity& identity) {
  LARQL_TRY(auto request, openai::read_completion_request(body));
  const auto options = openai::completion_writer::options{request.stream, request.include_usage,
                                                          request.ask.logprobs};
  return answer_by(std::move(request.ask),
                   std::make_unique<openai::completion_writer>(identity, options));
}

prepared prepare_responses(const ordered_json& body, const answer_identity& identity) {
  LARQL_TRY(auto request, openai::read_responses_request(body));
  auto options = openai::responses_writer::options{request.stream, request.ask.logprobs,
                                                   std::move(request.echo)};
  return answer_by(std::move(request.ask),
                   std::make_unique<openai::responses_writer>(identity, std::move(options)));
}

prepared prepare_messages(const ordered_json& body, const answer_identity& identity) {
  LARQL_TRY(auto request, anthropic::read_messages_request(body));
  return answer_by(std::move(request.ask),
                   std::make_unique<anthropic::messages_writer>(identity, request.stream));
}

prepared count_tokens(const ordered_json& body, completion_backend& backend) {
  LARQL_TRY(auto request, anthropic::read_messages_request(body));
  LARQL_TRY(const auto count, backend.count_tokens(request.ask));
  return known({{"input_tokens", count}});
}

prepared prepare_ollama(ollama::endpoint_kind kind, const ordered_json& body,
                        answer_identity identity) {
  LARQL_TRY(auto request, kind == ollama::endpoint_kind::chat
                              ? ollama::read_chat_request(body)
                              : ollama::read_generate_request(body));
  if (!request.model.empty())
    identity.model = request.model;
  auto writer = std::make_unique<ollama::text_writer>(std::move(identity), kind, request.stream,
                                                      request.ask.logprobs);
  if (request.load_only)
    return known(writer->loaded(request.unload));
  return answer_by(std::move(request.ask), std::move(writer));
}

// ---- text and tokens, as llama.cpp has them -----------------------------------------------------

// A piece as text, or as a list of bytes where it is a part of a character.
ordered_json piece_json(const std::string& bytes) {
  const auto text = ordered_json(bytes).dump(-1, ' ', false, ordered_json::error_handler_t::ignore);
  auto back = ordered_json::parse(text, nullptr, false);
  if (back.is_string() && back.get_ref<const std::string&>() == bytes)
    return back;
  auto out = ordered_json::array();
  for (const auto c : bytes)
    out.push_back(static_cast<unsigned char>(c));
  return out;
}

prepared prepare_tokenize(const ordered_json& body, completion_backend& backend) {
  auto wrong = first_error{};
  auto fields = field_reader{body, "", wrong};
  auto text = std::string{};
  auto options = completion_backend::tokenize_options{};
  auto with_pieces = false;
  if (!fields.text("content", text) && !fields.text("prompt", text))
    fields.wrong("content", "is missing");
  fields.boolean("add_special", options.add_bos);
  fields.boolean("parse_special", options.control_tokens);
  fields.boolean("with_pieces", with_pieces);
  if (wrong)
    return *std::move(wrong);
  LARQL_TRY(const auto ids, backend.tokenize(text, options));
  auto tokens = ordered_json::array();
  for (const auto id : ids) {
    if (!with_pieces) {
      tokens.push_back(id);
      continue;
    }
    auto one = ordered_json::object();
    one["id"] = id;
    one["piece"] = piece_json(backend.piece(id));
    tokens.push_back(std::move(one));
  }
  auto out = ordered_json::object();
  out["tokens"] = std::move(tokens);
  return known(std::move(out));
}

prepared prepare_detokenize(const ordered_json& body, completion_backend& backend) {
  auto wrong = first_error{};
  auto fields = field_reader{body, "", wrong};
  const auto* tokens = fields.array("tokens");
  auto ids = std::vector<std::uint32_t>{};
  if (tokens == nullptr)
    fields.wrong("tokens", "is missing");
  else
    for (const auto& token : *tokens)
      if (token.is_number_unsigned() && token.get<std::uint64_t>() <= UINT32_MAX)
        ids.push_back(token.get<std::uint32_t>());
      else
        fields.wrong("tokens", fmt::format("expected token ids, found {}", brief(token)));
  if (wrong)
    return *std::move(wrong);
  LARQL_TRY(auto text, backend.detokenize(ids));
  auto out = ordered_json::object();
  out["content"] = std::move(text);
  return known(std::move(out));
}

prepared apply_template(const ordered_json& body, completion_backend& backend) {
  LARQL_TRY(auto request, openai::read_chat_request(body));
  LARQL_TRY(auto text, backend.prompt_text(request.ask));
  auto out = ordered_json::object();
  out["prompt"] = std::move(text);
  return known(std::move(out));
}

} // namespace

prepared prepare(endpoint to, const ordered_json& body, const answer_identity& identity,
                 completion_backend& backend) {
  switch (to) {
  case endpoint::chat_completions: return prepare_chat(body, identity);
  case endpoint::page_answer: return prepare_page_answer(body);
  case endpoint::completions: return prepare_completions(body, identity);
  case endpoint::responses: return prepare_responses(body, identity);
  case endpoint::messages: return prepare_messages(body, identity);
  case endpoint::count_tokens: return count_tokens(body, backend);
  case endpoint::ollama_chat: return prepare_ollama(ollama::endpoint_kind::chat, body, identity);
  case endpoint::ollama_generate:
    return prepare_ollama(ollama::endpoint_kind::generate, body, identity);
  case endpoint::ollama_show: return known(ollama::show_json(backend.model()));
  case endpoint::tokenize: return prepare_tokenize(body, backend);
  case endpoint::detokenize: return prepare_detokenize(body, backend);
  case endpoint::apply_template: return apply_template(body, backend);
  default: break;
  }
  return api_error{error_kind::internal, "this path takes no body"};
}

} // namespace larql::serve
