#include "cli/serve/openai/answer_parts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace larql::serve::openai {

namespace {

double milliseconds(std::chrono::nanoseconds t) {
  return std::chrono::duration<double, std::milli>(t).count();
}

// Zero where nothing was measured: JSON has no infinity.
double ratio(double a, double b) {
  return b > 0 ? a / b : 0;
}

} // namespace

const char* name_of(finish_reason reason) noexcept {
  switch (reason) {
  case finish_reason::tool_calls: return "tool_calls";
  case finish_reason::max_tokens:
  case finish_reason::context_full: return "length";
  case finish_reason::stop:
  case finish_reason::stop_text: break;
  }
  return "stop";
}

ordered_json usage_json(const completion_usage& usage) {
  auto out = ordered_json::object();
  out["prompt_tokens"] = usage.prompt_tokens;
  out["completion_tokens"] = usage.answer_tokens;
  out["total_tokens"] = usage.prompt_tokens + usage.answer_tokens;
  out["prompt_tokens_details"]["cached_tokens"] = usage.cached_tokens;
  out["completion_tokens_details"]["reasoning_tokens"] = usage.reasoning_tokens;
  return out;
}

ordered_json timings_json(const completion_end& end) {
  const auto& t = end.timings;
  const auto read = static_cast<double>(t.read_tokens);
  const auto answered = static_cast<double>(end.usage.answer_tokens);
  const auto prompt_ms = milliseconds(t.prompt);
  const auto answer_ms = milliseconds(t.answer);
  auto out = ordered_json::object();
  out["cache_n"] = end.usage.cached_tokens;
  out["prompt_n"] = t.read_tokens;
  out["prompt_ms"] = prompt_ms;
  out["prompt_per_token_ms"] = ratio(prompt_ms, read);
  out["prompt_per_second"] = ratio(read * 1000, prompt_ms);
  out["predicted_n"] = end.usage.answer_tokens;
  out["predicted_ms"] = answer_ms;
  out["predicted_per_token_ms"] = ratio(answer_ms, answered);
  out["predicted_per_second"] = ratio(answered * 1000, answer_ms);
  out["queued_ms"] = milliseconds(t.queued);
  out["total_ms"] = milliseconds(t.total);
  out["nodes"] = t.nodes;
  out["round_trips"] = t.round_trips;
  out["sent_bytes"] = t.sent_bytes;
  out["received_bytes"] = t.received_bytes;
  if (t.drafted != 0) { // named as by llama.cpp
    out["draft_n"] = t.drafted;
    out["draft_n_accepted"] = t.accepted;
  }
  return out;
}

void add_numbers(ordered_json& to, const completion_end& end) {
  to["timings"] = timings_json(end);
  to["seed"] = end.seed;
}

ordered_json token_json(const token_probability& token) {
  auto out = ordered_json::object();
  out["token"] = token.bytes;
  // What cannot come at all has -infinity, which JSON cannot say.
  out["logprob"] = std::isfinite(token.logprob) ? static_cast<double>(token.logprob) : -9999.0;
  auto bytes = ordered_json::array();
  for (const auto c : token.bytes)
    bytes.push_back(static_cast<unsigned char>(c));
  out["bytes"] = std::move(bytes);
  return out;
}

ordered_json logprobs_json(const std::vector<token_logprobs>& tokens) {
  auto out = ordered_json::array();
  for (const auto& token : tokens) {
    auto one = token_json(token.chosen);
    auto top = ordered_json::array();
    for (const auto& other : token.top)
      top.push_back(token_json(other));
    one["top_logprobs"] = std::move(top);
    out.push_back(std::move(one));
  }
  return out;
}

} // namespace larql::serve::openai
