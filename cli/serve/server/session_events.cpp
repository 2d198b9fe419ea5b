#include "cli/serve/server/session_events.hpp"

#include "cli/serve/server/identity.hpp"

#include <algorithm>

namespace larql::serve {

namespace {

constexpr auto retry_seconds = 5u;

finish_reason reason_of(const actors::answer_end& e) {
  switch (e.reason) {
  case generate::end_reason::stop_text: return finish_reason::stop_text;
  case generate::end_reason::max_tokens: return finish_reason::max_tokens;
  case generate::end_reason::context_full: return finish_reason::context_full;
  default: break;
  }
  const auto* reader = e.answer ? e.answer->reader() : nullptr;
  return reader != nullptr && reader->calls() > 0 ? finish_reason::tool_calls : finish_reason::stop;
}

} // namespace

session_events::session_events(const text::tokenizer& tokens, std::uint32_t prompts,
                               std::uint32_t choices, std::uint64_t seed, std::uint32_t nodes,
                               completion_event_fn on_event)
    : tokens_(tokens),
      choices_(choices),
      on_event_(std::move(on_event)),
      read_(prompts),
      counted_(prompts),
      open_(prompts * choices) {
  end_.seed = seed;
  end_.timings.nodes = nodes;
}

void session_events::take(std::uint32_t prompt, actors::session_event event) {
  if (failed_)
    return;
  if (const auto* p = std::get_if<actors::prompt_progress>(&event))
    progress(prompt, *p);
  else if (auto* s = std::get_if<actors::answer_step>(&event))
    step(prompt * choices_ + s->choice, s->given);
  else if (auto* e = std::get_if<actors::answer_end>(&event))
    end(prompt, *e);
}

void session_events::progress(std::uint32_t prompt, const actors::prompt_progress& p) {
  read_[prompt] = p;
  auto sum = prompt_progress{};
  for (const auto& one : read_) {
    sum.read += one.tokens;
    sum.cached += one.cached;
    sum.total += one.total;
  }
  on_event_(sum);
}

token_probability session_events::probability_of(const generate::token_logprob& t) const {
  auto out = token_probability{{}, t.logprob};
  tokens_.append_bytes(t.token, text::special_tokens::keep, out.bytes);
  return out;
}

// Of the tokens that belong to content: what is told about thoughts and calls is their text alone.
std::vector<token_logprobs>
session_events::content_logprobs(const generate::generation::step_result& given) const {
  auto out = std::vector<token_logprobs>{};
  for (auto i = std::size_t{0}; i < given.logprobs.size(); ++i) {
    if (i < given.parts.size() && given.parts[i] != text::output_part::content)
      continue;
    auto one = token_logprobs{probability_of(given.logprobs[i].chosen), {}};
    for (const auto& other : given.logprobs[i].top)
      one.top.push_back(probability_of(other));
    out.push_back(std::move(one));
  }
  return out;
}

void session_events::step(std::uint32_t choice, generate::generation::step_result& given) {
  using kind = text::output_event::kind;
  auto logprobs = content_logprobs(given);
  if (given.events.empty()) {
    if (!given.text.empty() || !logprobs.empty())
      on_event_(text_delta{choice, std::move(given.text), std::move(logprobs)});
    return;
  }
  // Each token is told once, with the first text of its step.
  if (!logprobs.empty() && std::none_of(given.events.begin(), given.events.end(),
                                        [](const auto& e) { return e.what == kind::content; }))
    on_event_(text_delta{choice, {}, std::exchange(logprobs, {})});
  for (auto& e : given.events)
    switch (e.what) {
    case kind::content:
      on_event_(text_delta{choice, std::move(e.text), std::exchange(logprobs, {})});
      break;
    case kind::thought: on_event_(reasoning_delta{choice, std::move(e.text)}); break;
    case kind::call_begin:
      on_event_(call_begin{choice, e.call, "call_" + random_id(), std::move(e.text)});
      break;
    case kind::call_arguments: on_event_(call_arguments{choice, e.call, std::move(e.text)}); break;
    case kind::call_end: on_event_(call_end{choice, e.call}); break;
    }
}

void session_events::fail(api_error error) {
  failed_ = true;
  on_event_(std::move(error));
}

// Answers of a prompt share its tokens and the passes that read it.
void session_events::count(std::uint32_t prompt, const actors::answer_end& e) {
  auto& usage = end_.usage;
  auto& timings = end_.timings;
  const auto* reader = e.answer ? e.answer->reader() : nullptr;
  usage.answer_tokens += e.stats.tokens;
  usage.reasoning_tokens += reader == nullptr ? 0 : reader->thought_tokens();
  auto answer = std::chrono::nanoseconds{0};
  for (const auto t : e.stats.token_times)
    answer += t;
  timings.answer = std::max(timings.answer, answer);
  timings.queued = std::max(timings.queued, e.queued);
  timings.prompt = std::max(timings.prompt, e.stats.prefill);
  const auto& calls = e.stats.passes.calls;
  timings.round_trips = std::max<std::uint64_t>(timings.round_trips, e.stats.layer_times.size());
  timings.sent_bytes = std::max(timings.sent_bytes, calls.bytes_sent);
  timings.received_bytes = std::max(timings.received_bytes, calls.bytes_received);
  timings.drafted += e.stats.speculation.drafted;
  timings.accepted += e.stats.speculation.accepted;
  if (counted_[prompt])
    return;
  counted_[prompt] = true;
  usage.prompt_tokens += e.prompt_tokens;
  usage.cached_tokens += e.cached_tokens;
  timings.read_tokens += e.stats.prompt_tokens;
}

void session_events::end(std::uint32_t prompt, actors::answer_end& e) {
  const auto choice = prompt * choices_ + e.choice;
  step(choice, e.rest);
  if (e.failed) {
    const auto away = e.failed->code == errc::unavailable || e.failed->code == errc::deadline;
    auto error = api_error{away ? error_kind::unavailable : error_kind::internal, e.failed->text};
    error.retry_after_seconds = away ? retry_seconds : 0;
    return fail(std::move(error));
  }
  if (e.reason == generate::end_reason::stopped || e.reason == generate::end_reason::none)
    return fail({error_kind::unavailable, "the answer was cut: the server is about to end"});
  count(prompt, e);
  auto ended = choice_end{choice, reason_of(e), {}};
  if (e.answer && e.answer->stop_text() != nullptr)
    ended.stop_text = *e.answer->stop_text();
  on_event_(std::move(ended));
  if (--open_ != 0)
    return;
  end_.timings.total = std::chrono::steady_clock::now() - begin_;
  on_event_(end_);
}

} // namespace larql::serve
