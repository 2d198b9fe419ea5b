#include "actors/session/placed_form.hpp"

#include <algorithm>
#include <limits>

namespace larql::actors {

namespace {

schema::session_rules describe(const grammar::output_rules& r) {
  auto out = schema::session_rules{};
  out.form = static_cast<std::uint8_t>(r.form);
  out.schema = r.schema;
  for (const auto& t : r.tools)
    out.tools.push_back({t.name, t.description, t.parameters, t.strict});
  out.choice = static_cast<std::uint8_t>(r.choice);
  out.only_tool = r.only_tool;
  out.parallel_calls = r.parallel_calls;
  out.thinking = r.thinking;
  out.in_thought = r.in_thought;
  if (r.thought_budget)
    out.thought_budget = *r.thought_budget;
  return out;
}

grammar::output_rules restore(const schema::session_rules& r) {
  auto out = grammar::output_rules{};
  out.form = static_cast<grammar::content_form>(r.form);
  out.schema = r.schema;
  for (const auto& t : r.tools)
    out.tools.push_back({t.name, t.description, t.parameters, t.strict});
  out.choice = static_cast<grammar::tool_choice>(r.choice);
  out.only_tool = r.only_tool;
  out.parallel_calls = r.parallel_calls;
  out.thinking = r.thinking;
  out.in_thought = r.in_thought;
  if (r.thought_budget)
    out.thought_budget = static_cast<std::size_t>(*r.thought_budget);
  return out;
}

result<void> check_tokens(std::span<const std::uint32_t> tokens, std::uint32_t vocab) {
  for (const auto t : tokens)
    if (t >= vocab)
      return fail(errc::usage, "token id {} is outside the vocabulary of {}", t, vocab);
  return {};
}

// Codes that this version does not know are bugs of the other side.
errc code_of(std::uint8_t code) {
  return code >= static_cast<std::uint8_t>(errc::usage) &&
                 code <= static_cast<std::uint8_t>(errc::internal)
             ? static_cast<errc>(code)
             : errc::internal;
}

std::uint64_t nanoseconds_of(std::chrono::nanoseconds t) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, t.count()));
}

generate::generation make(generate::generation_options o, const schema::session_answer& from,
                          const text::tokenizer& tokens) {
  switch (from.reader) {
  case schema::session_reader::text:
    return generate::generation{std::move(o),
                                text::utf8_stream{tokens, text::special_tokens::skip}};
  case schema::session_reader::all_text:
    return generate::generation{std::move(o),
                                text::utf8_stream{tokens, text::special_tokens::keep}};
  case schema::session_reader::output:
    return generate::generation{std::move(o), text::output_reader{tokens, from.in_thought}};
  case schema::session_reader::none: break;
  }
  return generate::generation{std::move(o)};
}

} // namespace

// ---- answers ------------------------------------------------------------------------------------

schema::session_answer describe(const generate::generation& g) {
  const auto& o = g.options();
  const auto& s = o.sampling;
  auto out = schema::session_answer{};
  out.temperature = s.temperature;
  out.top_k = s.top_k;
  out.top_p = s.top_p;
  out.min_p = s.min_p;
  out.seed = s.seed;
  out.repetition_penalty = s.repetition_penalty;
  out.presence_penalty = s.presence_penalty;
  out.frequency_penalty = s.frequency_penalty;
  for (const auto& [token, value] : s.bias) {
    out.bias_tokens.push_back(token);
    out.bias_values.push_back(value);
  }
  out.max_tokens = o.max_tokens;
  out.first_index = o.first_index;
  out.stop_tokens = o.stop_tokens;
  out.stop_texts = o.stop_texts;
  out.logprobs = o.logprobs;
  if (const auto* stream = g.stream())
    out.reader = stream->special() == text::special_tokens::keep ? schema::session_reader::all_text
                                                                 : schema::session_reader::text;
  if (const auto* reader = g.reader()) {
    out.reader = schema::session_reader::output;
    out.in_thought = reader->in_thought();
  }
  if (const auto* rules = g.constraint().rules())
    out.rules = describe(*rules);
  return out;
}

result<generate::generation> restore(const schema::session_answer& from,
                                     const generation_parts& parts) {
  auto o = generate::generation_options{};
  auto& s = o.sampling;
  s = {from.temperature,
       from.top_k,
       from.top_p,
       from.min_p,
       from.seed,
       from.repetition_penalty,
       from.presence_penalty,
       from.frequency_penalty,
       {}};
  for (auto i = std::size_t{0}; i < from.bias_tokens.size(); ++i)
    s.bias.emplace_back(from.bias_tokens[i], from.bias_values.at(i));
  LARQL_TRY_VOID(generate::check_options(s));
  LARQL_TRY_VOID(check_tokens(from.bias_tokens, parts.vocab));
  LARQL_TRY_VOID(check_tokens(from.given, parts.vocab));
  if (from.logprobs.value_or(0) > generate::max_top_logprobs)
    return fail(errc::usage, "logarithms of {} tokens are asked for, at most {} are told",
                *from.logprobs, generate::max_top_logprobs);
  o.max_tokens = static_cast<std::size_t>(from.max_tokens);
  o.first_index = from.first_index;
  o.stop_tokens = from.stop_tokens;
  o.stop_texts = from.stop_texts;
  o.logprobs = from.logprobs;
  if (from.rules) {
    LARQL_TRY(o.constraint, parts.engine()->compile(restore(*from.rules)));
  }
  auto out = make(std::move(o), from, parts.tokens);
  for (const auto token : from.given) {
    if (out.ended())
      return fail(errc::usage, "the answer has ended {} tokens before the last that was given",
                  from.given.size() - out.tokens());
    (void) out.take(token);
  }
  return out;
}

// ---- events -------------------------------------------------------------------------------------

schema::session_refusal wire_of(const refusal& r) {
  return {static_cast<std::uint8_t>(r.kind), r.error.text, r.found, r.limit,
          static_cast<std::uint32_t>(r.retry_after.count())};
}

refusal refusal_of(const schema::session_refusal& r) {
  const auto known = r.kind <= static_cast<std::uint8_t>(refusal_kind::ending);
  const auto kind = known ? static_cast<refusal_kind>(r.kind) : refusal_kind::invalid;
  const auto is_usage = kind == refusal_kind::invalid || kind == refusal_kind::too_long;
  return {kind, failure{is_usage ? errc::usage : errc::unavailable, r.text}, r.found, r.limit,
          std::chrono::seconds{r.retry_seconds}};
}

schema::session_progress wire_of(const prompt_progress& p) {
  return {p.tokens, p.cached, p.total};
}

prompt_progress progress_of(const schema::session_progress& p) {
  return {p.tokens, p.cached, p.total};
}

schema::session_step wire_of(const answer_step& s) {
  auto out = schema::session_step{s.choice, s.given.tokens, s.given.text, {}};
  for (const auto& l : s.given.logprobs) {
    auto& to = out.logprobs.emplace_back();
    to.token = l.chosen.token;
    to.logprob = l.chosen.logprob;
    for (const auto& t : l.top)
      to.top.emplace_back(t.token, t.logprob);
  }
  return out;
}

result<generate::generation::step_result> take_step(generate::generation& into,
                                                    schema::session_step step) {
  auto out = generate::generation::step_result{};
  for (const auto token : step.tokens) {
    if (into.ended())
      return fail(errc::corrupt, "a token came behind the end of its answer");
    auto one = into.take(token);
    out.tokens.push_back(token);
    out.text += one.text;
    std::move(one.events.begin(), one.events.end(), std::back_inserter(out.events));
    out.parts.insert(out.parts.end(), one.parts.begin(), one.parts.end());
  }
  if (out.text != step.text)
    return fail(errc::corrupt, "the tokens have {} bytes of another text here than there",
                out.text.size());
  for (const auto& l : step.logprobs) {
    auto& to = out.logprobs.emplace_back();
    to.chosen = {l.token, l.logprob};
    for (const auto& [token, logprob] : l.top)
      to.top.push_back({token, logprob});
  }
  return out;
}

schema::session_finish wire_of(const answer_end& e) {
  auto out = schema::session_finish{};
  out.choice = e.choice;
  out.reason = static_cast<std::uint8_t>(e.reason);
  out.failed = e.failed.has_value();
  if (e.failed) {
    out.code = static_cast<std::uint8_t>(e.failed->code);
    out.text = e.failed->text;
  }
  out.prompt_tokens = e.prompt_tokens;
  out.cached_tokens = e.cached_tokens;
  out.queued_ns = nanoseconds_of(e.queued);
  out.prefill_ns = nanoseconds_of(e.stats.prefill);
  out.read_tokens = static_cast<std::uint32_t>(e.stats.prompt_tokens);
  return out;
}

failure failure_of(const schema::session_finish& e) {
  return {code_of(e.code), e.text};
}

} // namespace larql::actors
