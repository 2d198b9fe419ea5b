// The answer of `larql run --json`: one object on one line.
//
// {"model": …, "text": …, "thoughts": …, "finish_reason": "stop" | "stop_text" | "max_tokens" |
//  "context_full" | "stopped", "prompt_tokens": …, "tokens": …, "timings": {…}}
//
// Numerics  Milliseconds and tokens per second.
// Threads   Pure function.

#pragma once

#include "cli/laptop/chat/turn_numbers.hpp"

#include <string>

namespace larql::cli {

struct run_answer {
  std::string model;
  std::string text, thoughts;
  generate::end_reason reason = generate::end_reason::none;
  turn_numbers numbers;
  std::chrono::nanoseconds to_first_token{0};
};

[[nodiscard]] std::string run_json(const run_answer& a);

} // namespace larql::cli
