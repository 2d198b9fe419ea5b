// Requests and events of the session service as messages of the wire, and back: what crosses the
// network when the service that answers is another process's.
//
// Answers travel as a description of their generation: its options, what makes its text, the rules
// of its constraint, and the tokens that were given elsewhere. Both sides make a generation of it,
// so both come to the same text and the same end.
//
// Errors    errc::usage for options that make no sense, errc::unsupported for rules that cannot be
//           compiled: as a front end would have been told.
// Threads   Pure functions, but for the engine, which may be used by several threads.

#pragma once

#include "actors/session/events.hpp"
#include "actors/session/limits.hpp"
#include "actors/session/request.hpp"
#include "runtime/grammar/constraint.hpp"
#include "runtime/text/tokenizer.hpp"
#include "schema/messages.hpp"

#include <functional>
#include <memory>

namespace larql::actors {

/// A generation that has not begun. @pre g.tokens() == 0
[[nodiscard]] schema::session_answer describe(const generate::generation& g);

/// What a generation is made with: the tokenizer outlives it; the engine is asked for when there
/// are rules.
struct generation_parts {
  const text::tokenizer& tokens;
  std::function<std::shared_ptr<grammar::constraint_engine>()> engine;
  std::uint32_t vocab = 0; ///< of the model: no token is at or above it
};
/// The generation of a description, behind the tokens that were given. It may have ended with them.
[[nodiscard]] result<generate::generation> restore(const schema::session_answer& from,
                                                   const generation_parts& parts);

[[nodiscard]] schema::session_refusal wire_of(const refusal& r);
[[nodiscard]] refusal refusal_of(const schema::session_refusal& r);

[[nodiscard]] schema::session_progress wire_of(const prompt_progress& p);
[[nodiscard]] prompt_progress progress_of(const schema::session_progress& p);

[[nodiscard]] schema::session_step wire_of(const answer_step& s);
/// What the step's tokens give at this end: it must be the text that they gave at the other, and go
/// no further than the answer's end, or errc::corrupt.
[[nodiscard]] result<generate::generation::step_result> take_step(generate::generation& into,
                                                                  schema::session_step step);

[[nodiscard]] schema::session_finish wire_of(const answer_end& e);
[[nodiscard]] failure failure_of(const schema::session_finish& e);

} // namespace larql::actors
