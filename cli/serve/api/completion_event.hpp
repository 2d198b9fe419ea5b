// What becomes of a request, in the order in which it happens, before any protocol gives it a
// shape.
//
//   prompt_progress*            while prompts are read
//   (text_delta | reasoning_delta | call_begin | call_arguments | call_end)*   of any choice
//   choice_end                  once for each choice
//   completion_end | api_error  the last event
//
// Threads   Plain values.

#pragma once

#include "cli/serve/api/api_error.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace larql::serve {

struct prompt_progress {
  std::uint64_t read = 0; ///< tokens, cached ones included
  std::uint64_t cached = 0;
  std::uint64_t total = 0;
};

/// A token and what the model thought of it: natural logarithms of probabilities, before anything
/// was done to the logits.
struct token_probability {
  std::string bytes; ///< may be a part of a character
  float logprob = 0;
};
struct token_logprobs {
  token_probability chosen;
  std::vector<token_probability> top; ///< most likely first
};

struct text_delta {
  std::uint32_t choice = 0;
  std::string text; ///< valid UTF-8; may be empty if there are logprobs
  std::vector<token_logprobs> logprobs = {};
};

struct reasoning_delta {
  std::uint32_t choice = 0;
  std::string text;
};

/// Calls of a choice are numbered from 0; the arguments come as JSON text in pieces.
struct call_begin {
  std::uint32_t choice = 0;
  std::uint32_t index = 0;
  std::string id;
  std::string name;
};
struct call_arguments {
  std::uint32_t choice = 0;
  std::uint32_t index = 0;
  std::string json;
};
struct call_end {
  std::uint32_t choice = 0;
  std::uint32_t index = 0;
};

enum class finish_reason : std::uint8_t {
  stop,         ///< the model ended its answer
  stop_text,    ///< one of the request's stop texts came
  tool_calls,   ///< the model waits for results
  max_tokens,   ///< the limit was reached
  context_full, ///< nothing more fits the context
};

struct choice_end {
  std::uint32_t choice = 0;
  finish_reason reason = finish_reason::stop;
  std::string stop_text = {}; ///< the one that came, if it is known
};

struct completion_usage {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cached_tokens = 0; ///< of these, taken from the prefix cache
  std::uint64_t answer_tokens = 0;
  std::uint64_t reasoning_tokens = 0; ///< of these, thoughts
};

struct completion_timings {
  std::chrono::nanoseconds queued{0};
  std::chrono::nanoseconds prompt{0}; ///< reading it
  std::chrono::nanoseconds answer{0}; ///< from the first to the last token
  std::chrono::nanoseconds total{0};
  std::uint64_t read_tokens = 0; ///< of the prompt, without cached ones
  std::uint32_t nodes = 0;       ///< that had a part in it
  std::uint64_t round_trips = 0; ///< calls to nodes, one after the other
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t drafted = 0;  ///< tokens that were guessed and verified; 0: none
  std::uint64_t accepted = 0; ///< of these, those that were right
};

struct completion_end {
  completion_usage usage;
  completion_timings timings;
  std::uint64_t seed = 0; ///< of the first choice, given or drawn
};

using completion_event =
    std::variant<prompt_progress, text_delta, reasoning_delta, call_begin, call_arguments, call_end,
                 choice_end, completion_end, api_error>;

/// About how much memory an event holds, for bounds.
[[nodiscard]] std::size_t size_of(const completion_event& event);

} // namespace larql::serve
