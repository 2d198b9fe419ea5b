#include "cli/serve/api/api_error.hpp"

namespace larql::serve {

namespace {

// What each protocol calls a kind.
struct names {
  unsigned status;
  const char* openai_type;
  const char* openai_code; // null: none
  const char* anthropic_type;
};

names names_of(error_kind kind) noexcept {
  switch (kind) {
  case error_kind::invalid: return {400, "invalid_request_error", nullptr, "invalid_request_error"};
  case error_kind::unsupported:
    return {400, "invalid_request_error", "unsupported", "invalid_request_error"};
  case error_kind::too_long:
    return {400, "exceed_context_size_error", "context_length_exceeded", "invalid_request_error"};
  case error_kind::unauthorized:
    return {401, "authentication_error", "invalid_api_key", "authentication_error"};
  case error_kind::forbidden: return {403, "permission_error", nullptr, "permission_error"};
  case error_kind::not_found: return {404, "invalid_request_error", "not_found", "not_found_error"};
  case error_kind::wrong_method:
    return {405, "invalid_request_error", "method_not_allowed", "invalid_request_error"};
  case error_kind::too_large:
    return {413, "invalid_request_error", "request_too_large", "request_too_large"};
  case error_kind::too_many:
    return {429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error"};
  case error_kind::internal: return {500, "server_error", nullptr, "api_error"};
  case error_kind::unavailable: return {503, "unavailable_error", nullptr, "overloaded_error"};
  }
  return {500, "server_error", nullptr, "api_error"};
}

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json{} : ordered_json(text);
}

ordered_json openai_body(const api_error& e) {
  const auto n = names_of(e.kind);
  auto error = ordered_json::object();
  error["message"] =
      e.kind == error_kind::too_long
          ? fmt::format("This model's maximum context length is {} tokens, but the prompt has {} "
                        "tokens. Please reduce the length of the messages.",
                        e.context_tokens, e.prompt_tokens)
          : e.message;
  error["type"] = n.openai_type;
  error["param"] = text_or_null(e.param);
  error["code"] = n.openai_code == nullptr ? ordered_json{} : ordered_json(n.openai_code);
  if (e.kind == error_kind::too_long) {
    error["n_prompt_tokens"] = e.prompt_tokens;
    error["n_ctx"] = e.context_tokens;
  }
  return {{"error", std::move(error)}};
}

std::string too_long_text(const api_error& e) {
  return fmt::format("prompt is too long: {} tokens > {} maximum", e.prompt_tokens,
                     e.context_tokens);
}

// Where the protocol has no place for the field's name, the message begins with it.
std::string message_with_param(const api_error& e) {
  if (e.kind == error_kind::too_long)
    return too_long_text(e);
  return e.param.empty() ? e.message : fmt::format("{}: {}", e.param, e.message);
}

} // namespace

unsigned status_of(error_kind kind) noexcept {
  return names_of(kind).status;
}

ordered_json error_body(protocol p, const api_error& error) {
  switch (p) {
  case protocol::openai: return openai_body(error);
  case protocol::anthropic:
    return {
        {"type", "error"},
        {"error",
         {{"type", names_of(error.kind).anthropic_type}, {"message", message_with_param(error)}}}};
  case protocol::ollama: break;
  }
  return {{"error", message_with_param(error)}};
}

} // namespace larql::serve
