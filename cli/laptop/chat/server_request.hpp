// A turn of a conversation as a request of OpenAI's chat completions, as `larql serve` takes it.
//
// Threads   Pure functions.

#pragma once

#include "cli/laptop/chat/chat_answers.hpp"

#include <string>

namespace larql::cli {

/// The body of POST /v1/chat/completions, streamed. What the flags leave to the model is left to
/// the server.
[[nodiscard]] std::string server_request(const chat_turn& turn, const answer_flags& flags,
                                         const std::string& model);

} // namespace larql::cli
