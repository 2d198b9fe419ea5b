// Parts that OpenAI's answers share: usage, timings, logprobs, reasons to end.
//
// Threads   Pure functions.

#pragma once

#include "cli/serve/api/completion_event.hpp"

namespace larql::serve::openai {

/// "stop", "length" or "tool_calls".
[[nodiscard]] const char* name_of(finish_reason reason) noexcept;

/// prompt_tokens, completion_tokens, total_tokens and their details.
[[nodiscard]] ordered_json usage_json(const completion_usage& usage);

/// llama.cpp's timings, and what nodes had to do with it.
[[nodiscard]] ordered_json timings_json(const completion_end& end);

/// Adds "timings" and the "seed".
void add_numbers(ordered_json& to, const completion_end& end);

/// {"token", "logprob", "bytes"} of one token; a part of a character shows as U+FFFD in the text.
[[nodiscard]] ordered_json token_json(const token_probability& token);

/// The entries of "logprobs.content".
[[nodiscard]] ordered_json logprobs_json(const std::vector<token_logprobs>& tokens);

} // namespace larql::serve::openai
