// Requests of Anthropic's /v1/messages and /v1/messages/count_tokens.
//
// Fields of betas that only advise (cache_control, context_management, metadata, service_tier) are
// ignored. Tools that the provider itself would run, and MCP servers, are refused by name.
//
// Threads   Pure functions.
// Source    The Anthropic API reference, "Messages".

#pragma once

#include "cli/serve/api/api_result.hpp"
#include "cli/serve/api/completion_request.hpp"

namespace larql::serve::anthropic {

struct messages_request {
  completion_request ask;
  bool stream = false;
};

[[nodiscard]] api_result<messages_request> read_messages_request(const ordered_json& body);

} // namespace larql::serve::anthropic
