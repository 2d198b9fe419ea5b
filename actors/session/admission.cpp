#include "actors/session/admission.hpp"

#include "runtime/base/format_bytes.hpp"

#include <algorithm>
#include <cmath>

namespace larql::actors {

namespace {

refusal refuse(refusal_kind kind, std::uint64_t found, std::uint64_t limit, failure why) {
  return {kind, std::move(why), found, limit};
}

refusal ending() {
  return refuse(refusal_kind::ending, 0, 0, fail(errc::unavailable, "the service is about to end"));
}

// Until one of those that are computed has ended.
std::chrono::seconds wait_of(const session_limits& limits, const admission_state& s) {
  const auto seconds = s.usual_answer.count() / std::max(1u, limits.running);
  return std::chrono::seconds{std::clamp<std::int64_t>(std::llround(std::ceil(seconds)), 1, 60)};
}

std::optional<refusal> refuse_prompt(const session_request& r, const session_limits& limits,
                                     const admission_model& model) {
  if (r.session == 0 && r.tokens.empty())
    return refuse(refusal_kind::invalid, 0, 1, fail(errc::usage, "the prompt is empty"));
  const auto foreign = std::find_if(r.tokens.begin(), r.tokens.end(),
                                    [&](std::uint32_t t) { return t >= model.vocab; });
  if (foreign != r.tokens.end())
    return refuse(
        refusal_kind::invalid, *foreign, model.vocab - 1,
        fail(errc::usage, "token id {} is outside the vocabulary of {}", *foreign, model.vocab));
  if (r.tokens.size() > limits.context)
    return refuse(refusal_kind::too_long, r.tokens.size(), limits.context,
                  fail(errc::usage, "the prompt's {} tokens do not fit the context of {}",
                       r.tokens.size(), limits.context));
  if (limits.kv_bytes != 0 && model.prompt_bytes > limits.kv_bytes)
    return refuse(refusal_kind::no_memory, model.prompt_bytes, limits.kv_bytes,
                  fail(errc::unavailable,
                       "the prompt's {} tokens need {} of KV memory, and {} is all there is",
                       r.tokens.size(), format_bytes(model.prompt_bytes),
                       format_bytes(limits.kv_bytes)));
  return std::nullopt;
}

} // namespace

std::optional<refusal> refuse_request(const session_request& r, const session_limits& limits,
                                      const admission_state& state, const admission_model& model) {
  if (state.ending)
    return ending();
  const auto answers = std::max<std::uint64_t>(1, r.answers.size());
  if (answers > limits.running)
    return refuse(refusal_kind::invalid, answers, limits.running,
                  fail(errc::usage,
                       "{} answers are asked for, at most {} are computed at the "
                       "same time",
                       answers, limits.running));
  if (r.session != 0 && answers > 1)
    return refuse(
        refusal_kind::invalid, answers, 1,
        fail(errc::usage, "a session goes on with one answer, {} are asked for", answers));
  if (auto bad = refuse_prompt(r, limits, model))
    return bad;
  const auto most = std::uint64_t{limits.running} + limits.waiting;
  if (state.open_answers + answers > most) {
    auto out = refuse(refusal_kind::queue_full, state.open_answers, most,
                      fail(errc::unavailable, "{} answers are computed or wait, as many as may",
                           state.open_answers));
    out.retry_after = wait_of(limits, state);
    return out;
  }
  return std::nullopt;
}

std::optional<refusal> refuse_session(const session_limits& limits, const admission_state& state) {
  if (state.ending)
    return ending();
  if (state.sessions < limits.sessions)
    return std::nullopt;
  return refuse(refusal_kind::too_many_sessions, state.sessions, limits.sessions,
                fail(errc::unavailable, "{} sessions are open, as many as may", state.sessions));
}

} // namespace larql::actors
