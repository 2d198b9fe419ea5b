// Requests of OpenAI's /v1/responses, without any state between them: what a conversation holds
// comes with every request, and whatever refers to a stored one is refused.
//
// Threads   Pure functions.
// Source    The OpenAI API reference, "Create a model response".

#pragma once

#include "cli/serve/api/api_result.hpp"
#include "cli/serve/api/completion_request.hpp"

namespace larql::serve::openai {

struct responses_request {
  completion_request ask;
  bool stream = false;
  /// Fields of the request that its answer repeats, with their defaults filled in.
  ordered_json echo;
};

[[nodiscard]] api_result<responses_request> read_responses_request(const ordered_json& body);

} // namespace larql::serve::openai
