#include "schema/session_reader.hpp"

#include <cstring>

namespace larql::schema {

namespace {

using wire_session = wire::Session;

template <class T>
result<std::vector<T>> list(capnp::Data::Reader d, std::size_t limit, std::string_view field) {
  if (d.size() % sizeof(T) != 0 || d.size() / sizeof(T) > limit)
    return bad_message(field, fmt::format("has {} bytes, expected at most {} numbers of {}",
                                          d.size(), limit, sizeof(T)));
  auto out = std::vector<T>(d.size() / sizeof(T));
  if (!out.empty())
    std::memcpy(out.data(), d.begin(), d.size());
  return out;
}

// Codes of the wire have no other values than those that this version knows.
template <class T>
result<T> code(unsigned value, unsigned last, std::string_view field) {
  if (value > last)
    return bad_message(field, fmt::format("is {}, expected at most {}", value, last));
  return static_cast<T>(value);
}

result<session_message> get(wire_session::Open::Reader r) {
  auto out = session_open{};
  out.version = r.getVersion();
  LARQL_TRY(out.dense, read_exactly<session_digest>(span_of(r.getDense()), "session.open.dense"));
  LARQL_TRY(out.head, read_exactly<session_digest>(span_of(r.getHead()), "session.open.head"));
  LARQL_TRY(out.tokenizer,
            read_exactly<session_digest>(span_of(r.getTokenizer()), "session.open.tokenizer"));
  LARQL_TRY(out.chat_template,
            read_exactly<session_digest>(span_of(r.getTemplate()), "session.open.template"));
  LARQL_TRY(out.kv, code<session_kv>(static_cast<unsigned>(r.getKv()), 1, "session.open.kv"));
  return session_message{{}, out};
}

result<session_message> get(wire_session::Opened::Reader r) {
  auto out = session_opened{};
  out.received = r.getReceived();
  out.context = r.getContext();
  out.sequences = r.getSequences();
  out.kv_bytes = r.getKvBytes();
  out.kept_ms = r.getKeptMillis();
  if (out.context == 0 || out.sequences == 0)
    return bad_message("session.opened", "has no context or no sequences");
  return session_message{{}, out};
}

result<session_message> get(wire_session::Closed::Reader r) {
  auto out = session_closed{};
  const auto known = static_cast<unsigned>(r.getCode());
  out.code =
      known > 8 ? session_end::failed : static_cast<session_end>(known); // of a later version
  LARQL_TRY(out.text, read_text(r.getText(), max_text_bytes, "session.closed.text"));
  return session_message{{}, std::move(out)};
}

result<session_rules> get_rules(wire_session::Rules::Reader r) {
  auto out = session_rules{};
  LARQL_TRY(out.form, code<std::uint8_t>(r.getForm(), 1, "session.rules.form"));
  LARQL_TRY(out.schema, read_text(r.getSchema(), max_session_text_bytes, "session.rules.schema"));
  LARQL_TRY_VOID(check_count(r.getTools().size(), max_session_tools, "session.rules.tools"));
  for (const auto tool : r.getTools()) {
    auto& to = out.tools.emplace_back();
    LARQL_TRY(to.name, read_text(tool.getName(), max_text_bytes, "session.tool.name"));
    LARQL_TRY(to.description,
              read_text(tool.getDescription(), max_session_text_bytes, "session.tool.description"));
    LARQL_TRY(to.parameters,
              read_text(tool.getParameters(), max_session_text_bytes, "session.tool.parameters"));
    to.strict = tool.getStrict();
  }
  LARQL_TRY(out.choice, code<std::uint8_t>(r.getChoice(), 2, "session.rules.choice"));
  LARQL_TRY(out.only_tool, read_text(r.getOnlyTool(), max_text_bytes, "session.rules.onlyTool"));
  out.parallel_calls = r.getParallelCalls();
  out.thinking = r.getThinking();
  out.in_thought = r.getInThought();
  if (const auto budget = r.getThoughtBudget(); budget != 0)
    out.thought_budget = budget - 1;
  return out;
}

result<session_answer> get_answer(wire_session::Answer::Reader r) {
  auto out = session_answer{};
  out.temperature = r.getTemperature();
  out.top_k = r.getTopK();
  out.top_p = r.getTopP();
  out.min_p = r.getMinP();
  out.seed = r.getSeed();
  out.repetition_penalty = r.getRepetitionPenalty();
  out.presence_penalty = r.getPresencePenalty();
  out.frequency_penalty = r.getFrequencyPenalty();
  LARQL_TRY(out.bias_tokens, list<std::uint32_t>(r.getBiasTokens(), max_session_tokens,
                                                 "session.answer.biasTokens"));
  LARQL_TRY(out.bias_values,
            list<float>(r.getBiasValues(), max_session_tokens, "session.answer.biasValues"));
  if (out.bias_tokens.size() != out.bias_values.size())
    return bad_message(
        "session.answer.biasValues",
        fmt::format("are {}, expected {}", out.bias_values.size(), out.bias_tokens.size()));
  out.max_tokens = r.getMaxTokens();
  out.first_index = r.getFirstIndex();
  LARQL_TRY(out.stop_tokens,
            list<std::uint32_t>(r.getStopTokens(), max_session_stops, "session.answer.stopTokens"));
  LARQL_TRY_VOID(
      check_count(r.getStopTexts().size(), max_session_stops, "session.answer.stopTexts"));
  for (const auto stop : r.getStopTexts()) {
    LARQL_TRY(out.stop_texts.emplace_back(),
              read_text(stop, max_text_bytes, "session.answer.stopTexts"));
  }
  if (const auto logprobs = r.getLogprobs(); logprobs != 0)
    out.logprobs = logprobs - 1;
  LARQL_TRY(out.reader,
            code<session_reader>(static_cast<unsigned>(r.getReader()), 3, "session.answer.reader"));
  out.in_thought = r.getInThought();
  if (r.hasRules()) {
    LARQL_TRY(out.rules, get_rules(r.getRules()));
  }
  LARQL_TRY(out.given,
            list<std::uint32_t>(r.getGiven(), max_session_tokens, "session.answer.given"));
  return out;
}

result<session_ask> get_ask(wire_session::Request::Reader r) {
  auto out = session_ask{};
  out.id = r.getId();
  LARQL_TRY(out.tokens,
            list<std::uint32_t>(r.getTokens(), max_session_tokens, "session.request.tokens"));
  LARQL_TRY(out.client, read_text(r.getClient(), max_text_bytes, "session.request.client"));
  out.system_end = r.getSystemEnd();
  LARQL_TRY(out.turn_ends,
            list<std::uint32_t>(r.getTurnEnds(), max_session_tokens, "session.request.turnEnds"));
  LARQL_TRY_VOID(
      check_count(r.getAnswers().size(), max_session_answers, "session.request.answers"));
  for (const auto answer : r.getAnswers()) {
    LARQL_TRY(out.answers.emplace_back(), get_answer(answer));
  }
  return out;
}

result<session_message> get(wire_session::Order::Reader r) {
  auto out = session_order{};
  out.number = r.getNumber();
  switch (r.which()) {
  case wire_session::Order::REQUEST: {
    LARQL_TRY(out.what, get_ask(r.getRequest()));
    return session_message{{}, std::move(out)};
  }
  case wire_session::Order::CANCEL:
    out.what = session_cancel{r.getCancel()};
    return session_message{{}, std::move(out)};
  }
  return bad_message("session.order", "is of a kind that is not known");
}

// Triples of a token, its logarithm and a list of others, as wire.capnp says.
result<std::vector<session_logprobs>> get_logprobs(capnp::Data::Reader d) {
  auto out = std::vector<session_logprobs>{};
  auto at = std::size_t{0};
  const auto take = [&](auto& to) {
    if (d.size() - at < sizeof to)
      return false;
    std::memcpy(&to, d.begin() + at, sizeof to);
    at += sizeof to;
    return true;
  };
  while (at < d.size()) {
    auto& l = out.emplace_back();
    auto count = std::uint32_t{0};
    if (!take(l.token) || !take(l.logprob) || !take(count) || count > (d.size() - at) / 8)
      return bad_message("session.step.logprobs", "end in the middle of a token's");
    l.top.resize(count);
    for (auto& [token, logprob] : l.top)
      if (!take(token) || !take(logprob))
        return bad_message("session.step.logprobs", "end in the middle of a token's");
  }
  return out;
}

result<session_step> get_step(wire_session::Step::Reader r) {
  auto out = session_step{};
  out.choice = r.getChoice();
  LARQL_TRY(out.tokens,
            list<std::uint32_t>(r.getTokens(), max_session_tokens, "session.step.tokens"));
  if (r.getText().size() > max_session_text_bytes)
    return bad_message("session.step.text", fmt::format("has {} bytes", r.getText().size()));
  out.text.assign(reinterpret_cast<const char*>(r.getText().begin()), r.getText().size());
  LARQL_TRY(out.logprobs, get_logprobs(r.getLogprobs()));
  if (!out.logprobs.empty() && out.logprobs.size() != out.tokens.size())
    return bad_message(
        "session.step.logprobs",
        fmt::format("are of {} tokens, expected {}", out.logprobs.size(), out.tokens.size()));
  return out;
}

result<session_finish> get_finish(wire_session::End::Reader r) {
  auto out = session_finish{};
  out.choice = r.getChoice();
  LARQL_TRY(out.reason, code<std::uint8_t>(r.getReason(), 5, "session.end.reason"));
  out.failed = r.getFailed();
  out.code = r.getCode();
  LARQL_TRY(out.text, read_text(r.getText(), max_text_bytes, "session.end.text"));
  out.prompt_tokens = r.getPromptTokens();
  out.cached_tokens = r.getCachedTokens();
  out.queued_ns = r.getQueuedNanos();
  out.prefill_ns = r.getPrefillNanos();
  out.read_tokens = r.getReadTokens();
  return out;
}

result<session_refusal> get_refusal(wire_session::Refusal::Reader r) {
  auto out = session_refusal{};
  out.kind = r.getKind();
  LARQL_TRY(out.text, read_text(r.getText(), max_text_bytes, "session.refused.text"));
  out.found = r.getFound();
  out.limit = r.getLimit();
  out.retry_seconds = r.getRetrySeconds();
  return out;
}

result<session_message> get(wire_session::Event::Reader r) {
  auto out = session_event{r.getNumber(), r.getRequest(), r.getReceived(), {}};
  switch (r.which()) {
  case wire_session::Event::ADMITTED: out.what = session_admitted{}; break;
  case wire_session::Event::REFUSED: {
    LARQL_TRY(out.what, get_refusal(r.getRefused()));
    break;
  }
  case wire_session::Event::PROGRESS: {
    const auto p = r.getProgress();
    out.what = session_progress{p.getTokens(), p.getCached(), p.getTotal()};
    break;
  }
  case wire_session::Event::STEP: {
    LARQL_TRY(out.what, get_step(r.getStep()));
    break;
  }
  case wire_session::Event::END: {
    LARQL_TRY(out.what, get_finish(r.getEnd()));
    break;
  }
  default: return bad_message("session.event", "is of a kind that is not known");
  }
  return session_message{{}, std::move(out)};
}

result<session_message> get_any(wire::Session::Reader r) {
  switch (r.which()) {
  case wire::Session::OPEN: return get(r.getOpen());
  case wire::Session::RESUME:
    return session_message{{}, session_resume{r.getResume().getReceived()}};
  case wire::Session::OPENED: return get(r.getOpened());
  case wire::Session::CLOSED: return get(r.getClosed());
  case wire::Session::ORDER: return get(r.getOrder());
  case wire::Session::EVENT: return get(r.getEvent());
  case wire::Session::ACKNOWLEDGE:
    return session_message{{}, session_acknowledge{r.getAcknowledge()}};
  }
  return bad_message("session", "is of a kind that is not known");
}

} // namespace

result<message> read_session(wire::Session::Reader r) {
  LARQL_TRY(auto out, get_any(r));
  if (r.getId().size() != 0) {
    LARQL_TRY(out.id, read_exactly<session_key>(span_of(r.getId()), "session.id"));
  }
  const auto may_lack_id = std::holds_alternative<session_open>(out.what) ||
                           std::holds_alternative<session_closed>(out.what);
  if (!out.id && !may_lack_id)
    return bad_message("session.id", "is missing");
  return message{std::move(out)};
}

} // namespace larql::schema
