// Turns what the session service tells of one request of the API, which is several requests to the
// service where it has several raw prompts, into events of the API.
//
// Threads   The service's pass thread.

#pragma once

#include "actors/session/events.hpp"
#include "cli/serve/api/completion_backend.hpp"
#include "runtime/text/tokenizer.hpp"

#include <chrono>
#include <cstdint>
#include <vector>

namespace larql::serve {

class session_events {
public:
  /// Answers are numbered through all prompts: those of the first prompt come first.
  session_events(const text::tokenizer& tokens, std::uint32_t prompts, std::uint32_t choices,
                 std::uint64_t seed, std::uint32_t nodes, completion_event_fn on_event);

  void take(std::uint32_t prompt, actors::session_event event);

private:
  void progress(std::uint32_t prompt, const actors::prompt_progress& p);
  void step(std::uint32_t choice, generate::generation::step_result& given);
  void end(std::uint32_t prompt, actors::answer_end& e);
  void fail(api_error error);
  [[nodiscard]] std::vector<token_logprobs>
  content_logprobs(const generate::generation::step_result& given) const;
  [[nodiscard]] token_probability probability_of(const generate::token_logprob& t) const;
  void count(std::uint32_t prompt, const actors::answer_end& e);

  const text::tokenizer& tokens_;
  const std::uint32_t choices_;
  const completion_event_fn on_event_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::vector<actors::prompt_progress> read_; // of each prompt
  std::vector<bool> counted_;                 // prompts whose tokens are in the usage
  std::uint32_t open_;                        // answers that have not ended
  bool failed_ = false;
  completion_end end_;
};

} // namespace larql::serve
