// Requests of OpenAI's chat completions and completions.
//
// Fields that are not listed in the sources are ignored, as are those that only advise (user,
// metadata, store, service_tier, prompt_cache_key, prediction). Fields that would change the answer
// and that this server does not know how to honour are refused by name.
//
// Threads   Pure functions.
// Source    The OpenAI API reference; llama.cpp's and vLLM's additions.

#pragma once

#include "cli/serve/api/api_result.hpp"
#include "cli/serve/api/completion_request.hpp"

namespace larql::serve::openai {

/// A request, and what its answer must look like.
struct text_request {
  completion_request ask;
  bool stream = false;
  bool include_usage = false; ///< a last chunk with the usage
};

/// /v1/chat/completions
[[nodiscard]] api_result<text_request> read_chat_request(const ordered_json& body);

/// /v1/completions
[[nodiscard]] api_result<text_request> read_completion_request(const ordered_json& body);

} // namespace larql::serve::openai
