// Events of answers as a model would give them, for the tests of all protocols.

#pragma once

#include "cli/serve/api/answer_writer.hpp"

#include <vector>

namespace larql::test {

using serve::completion_event;

inline serve::answer_identity identity() {
  return {"abc", 1'795'000'000, 250, "gemma4"};
}

inline serve::completion_end end_of_answer() {
  using namespace std::chrono_literals;
  auto out = serve::completion_end{};
  out.usage = {10, 4, 3, 1};
  out.timings.queued = 1ms;
  out.timings.prompt = 12ms;
  out.timings.answer = 20ms;
  out.timings.total = 40ms;
  out.timings.read_tokens = 6;
  out.timings.nodes = 2;
  out.timings.round_trips = 30;
  out.timings.sent_bytes = 100;
  out.timings.received_bytes = 200;
  out.seed = 7;
  return out;
}

/// "Hello" in two pieces.
inline std::vector<completion_event>
plain_answer(serve::finish_reason reason = serve::finish_reason::stop) {
  return {serve::prompt_progress{10, 4, 10}, serve::text_delta{0, "Hel"},
          serve::text_delta{0, "lo"}, serve::choice_end{0, reason, {}}, end_of_answer()};
}

/// A thought, a text and a call.
inline std::vector<completion_event> thinking_and_calling() {
  return {serve::prompt_progress{10, 4, 10},
          serve::reasoning_delta{0, "Look "},
          serve::reasoning_delta{0, "it up."},
          serve::text_delta{0, "Moment."},
          serve::call_begin{0, 0, "call_1", "weather"},
          serve::call_arguments{0, 0, "{\"city\":"},
          serve::call_arguments{0, 0, "\"Rome\"}"},
          serve::call_end{0, 0},
          serve::choice_end{0, serve::finish_reason::tool_calls, {}},
          end_of_answer()};
}

/// A text, and then a failure.
inline std::vector<completion_event> failing_answer() {
  return {serve::prompt_progress{10, 4, 10}, serve::text_delta{0, "Hel"},
          serve::api_error{serve::error_kind::unavailable, "experts 0-63 are away"}};
}

inline std::string stream_of(serve::answer_writer& writer,
                             const std::vector<completion_event>& events) {
  auto out = std::string{};
  writer.begin(out);
  for (const auto& e : events)
    writer.write(e, out);
  return out;
}

inline ordered_json whole_of(const serve::answer_writer& writer,
                             const std::vector<completion_event>& events) {
  auto result = serve::completion_result{};
  for (const auto& e : events)
    result.add(e);
  return writer.whole(result);
}

} // namespace larql::test
