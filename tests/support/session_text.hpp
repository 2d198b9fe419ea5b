// A session's message as text with every field in it, for message_text.hpp.

#pragma once

#include "schema/session_messages.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>
#include <string>

namespace larql::test {

template <std::size_t N>
std::string digits_of(const std::array<std::byte, N>& bytes) {
  auto out = std::string{};
  for (const auto b : bytes)
    out += fmt::format("{:02x}", static_cast<unsigned>(b));
  return out;
}

inline std::string text_of(const schema::session_open& m) {
  return fmt::format("open version={} dense={} head={} tokenizer={} template={} kv={}", m.version,
                     digits_of(m.dense), digits_of(m.head), digits_of(m.tokenizer),
                     digits_of(m.chat_template), static_cast<int>(m.kv));
}
inline std::string text_of(const schema::session_resume& m) {
  return fmt::format("resume received={}", m.received);
}
inline std::string text_of(const schema::session_opened& m) {
  return fmt::format("opened received={} context={} sequences={} kv={} kept={}", m.received,
                     m.context, m.sequences, m.kv_bytes, m.kept_ms);
}
inline std::string text_of(const schema::session_closed& m) {
  return fmt::format("closed code={} text={}", static_cast<int>(m.code), m.text);
}
inline std::string text_of(const schema::session_rules& m) {
  auto out = fmt::format("form={} schema={} choice={} only={} parallel={} thinking={} thought={} "
                         "budget={}",
                         m.form, m.schema, m.choice, m.only_tool, m.parallel_calls, m.thinking,
                         m.in_thought, m.thought_budget ? std::to_string(*m.thought_budget) : "no");
  for (const auto& t : m.tools)
    out += fmt::format(" tool={}/{}/{}/{}", t.name, t.description, t.parameters, t.strict);
  return out;
}
inline std::string text_of(const schema::session_answer& m) {
  return fmt::format(
      "[temperature={} k={} p={} min={} seed={} penalties={}/{}/{} bias={}/{} max={} first={} "
      "stops={}/{} logprobs={} reader={}/{} rules=({}) given={}]",
      m.temperature, m.top_k, m.top_p, m.min_p, m.seed, m.repetition_penalty, m.presence_penalty,
      m.frequency_penalty, fmt::join(m.bias_tokens, ","), fmt::join(m.bias_values, ","),
      m.max_tokens, m.first_index, fmt::join(m.stop_tokens, ","), fmt::join(m.stop_texts, ","),
      m.logprobs ? std::to_string(*m.logprobs) : "no", static_cast<int>(m.reader), m.in_thought,
      m.rules ? text_of(*m.rules) : "none", fmt::join(m.given, ","));
}
inline std::string text_of(const schema::session_ask& m) {
  auto out =
      fmt::format("ask id={} tokens={} client={} system={} turns={}", m.id,
                  fmt::join(m.tokens, ","), m.client, m.system_end, fmt::join(m.turn_ends, ","));
  for (const auto& a : m.answers)
    out += " " + text_of(a);
  return out;
}
inline std::string text_of(const schema::session_cancel& m) {
  return fmt::format("cancel {}", m.request);
}
inline std::string text_of(const schema::session_order& m) {
  return fmt::format("order {} {}", m.number,
                     std::visit([](const auto& x) { return text_of(x); }, m.what));
}
inline std::string text_of(const schema::session_admitted&) {
  return "admitted";
}
inline std::string text_of(const schema::session_refusal& m) {
  return fmt::format("refused kind={} text={} found={} limit={} retry={}", m.kind, m.text, m.found,
                     m.limit, m.retry_seconds);
}
inline std::string text_of(const schema::session_progress& m) {
  return fmt::format("progress {}/{}/{}", m.tokens, m.cached, m.total);
}
inline std::string text_of(const schema::session_step& m) {
  auto out =
      fmt::format("step choice={} tokens={} text={}", m.choice, fmt::join(m.tokens, ","), m.text);
  for (const auto& l : m.logprobs) {
    out += fmt::format(" {}:{}", l.token, l.logprob);
    for (const auto& [token, logprob] : l.top)
      out += fmt::format("/{}:{}", token, logprob);
  }
  return out;
}
inline std::string text_of(const schema::session_finish& m) {
  return fmt::format("end choice={} reason={} failed={}/{} text={} prompt={} cached={} queued={} "
                     "prefill={} read={}",
                     m.choice, m.reason, m.failed, m.code, m.text, m.prompt_tokens, m.cached_tokens,
                     m.queued_ns, m.prefill_ns, m.read_tokens);
}
inline std::string text_of(const schema::session_event& m) {
  return fmt::format("event {} request={} received={} {}", m.number, m.request, m.received,
                     std::visit([](const auto& x) { return text_of(x); }, m.what));
}
inline std::string text_of(const schema::session_acknowledge& m) {
  return fmt::format("acknowledge {}", m.event);
}
inline std::string text_of(const schema::session_message& m) {
  return fmt::format("session {} {}", m.id ? digits_of(*m.id) : "new",
                     std::visit([](const auto& x) { return text_of(x); }, m.what));
}

} // namespace larql::test
