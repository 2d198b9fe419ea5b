// What a request's client hears of it.
//
//   prompt_progress*   while the prompt is read
//   answer_step*       tokens of an answer, as they are chosen; answers of a request alternate
//   answer_end         once for each answer; the last event of that answer
//
// A request without answers gets one answer_end when its prompt is read. Nothing is sent after the
// last answer_end, and nothing at all for a request that was refused (limits.hpp).
//
// Threads   The callback runs on the pass thread, which computes for everybody: it must not block,
//           wait for the service, or throw. It may use the request's answer_handle. Events of a
//           request come one after the other.

#pragma once

#include "runtime/generate/answer.hpp"
#include "runtime/generate/generation.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <variant>

namespace larql::actors {

/// So many tokens of the prompt are in the KV cache. The first one comes when the request has left
/// the queue, with what the prefix cache had.
struct prompt_progress {
  std::uint32_t tokens = 0;
  std::uint32_t cached = 0; ///< of these, from the prefix cache
  std::uint32_t total = 0;  ///< of the prompt
};

/// One step of one answer.
struct answer_step {
  std::uint32_t choice = 0;
  generate::generation::step_result given; ///< token ids, text, and what belongs to them
};

/// One answer has ended: because of its own `reason`, or by a failure.
struct answer_end {
  std::uint32_t choice = 0;
  generate::end_reason reason = generate::end_reason::none; ///< none: failed, or nothing was asked
  std::optional<failure> failed;                            ///< what came before it stays valid
  /// What was held back until the end (generation::finish).
  generate::generation::step_result rest;
  /// As it has ended, for what its reader has counted; none for a request without answers.
  std::optional<generate::generation> answer;

  std::uint32_t prompt_tokens = 0; ///< of the whole prompt
  std::uint32_t cached_tokens = 0; ///< of these, from the prefix cache
  std::chrono::nanoseconds queued{0};
  /// Of this answer; prefill and passes are those that it shared with others. stats.prompt_tokens
  /// are those that were read.
  generate::answer_stats stats;
};

using session_event = std::variant<prompt_progress, answer_step, answer_end>;
using event_fn = std::function<void(session_event)>;

} // namespace larql::actors
