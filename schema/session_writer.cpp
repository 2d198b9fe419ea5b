#include "schema/session_writer.hpp"

#include <cstring>

namespace larql::schema {

namespace {

using wire_session = wire::Session;

template <class T>
kj::ArrayPtr<const kj::byte> bytes_of(const T& list) {
  return {reinterpret_cast<const kj::byte*>(list.data()), list.size() * sizeof(list[0])};
}

void put(wire_session::Builder m, const session_open& x) {
  auto out = m.initOpen();
  out.setVersion(x.version);
  out.setDense(bytes_of(x.dense));
  out.setHead(bytes_of(x.head));
  out.setTokenizer(bytes_of(x.tokenizer));
  out.setTemplate(bytes_of(x.chat_template));
  out.setKv(static_cast<wire_session::KvFormat>(x.kv));
}

void put(wire_session::Builder m, const session_resume& x) {
  m.initResume().setReceived(x.received);
}

void put(wire_session::Builder m, const session_opened& x) {
  auto out = m.initOpened();
  out.setReceived(x.received);
  out.setContext(x.context);
  out.setSequences(x.sequences);
  out.setKvBytes(x.kv_bytes);
  out.setKeptMillis(x.kept_ms);
}

void put(wire_session::Builder m, const session_closed& x) {
  auto out = m.initClosed();
  out.setCode(static_cast<wire_session::Closed::Code>(x.code));
  out.setText(x.text.substr(0, max_text_bytes));
}

void put_rules(wire_session::Rules::Builder out, const session_rules& x) {
  out.setForm(x.form);
  out.setSchema(x.schema);
  auto tools = out.initTools(static_cast<unsigned>(x.tools.size()));
  for (auto i = 0u; i < tools.size(); ++i) {
    tools[i].setName(x.tools[i].name);
    tools[i].setDescription(x.tools[i].description);
    tools[i].setParameters(x.tools[i].parameters);
    tools[i].setStrict(x.tools[i].strict);
  }
  out.setChoice(x.choice);
  out.setOnlyTool(x.only_tool);
  out.setParallelCalls(x.parallel_calls);
  out.setThinking(x.thinking);
  out.setInThought(x.in_thought);
  out.setThoughtBudget(x.thought_budget ? *x.thought_budget + 1 : 0);
}

void put_answer(wire_session::Answer::Builder out, const session_answer& x) {
  out.setTemperature(x.temperature);
  out.setTopK(x.top_k);
  out.setTopP(x.top_p);
  out.setMinP(x.min_p);
  out.setSeed(x.seed);
  out.setRepetitionPenalty(x.repetition_penalty);
  out.setPresencePenalty(x.presence_penalty);
  out.setFrequencyPenalty(x.frequency_penalty);
  out.setBiasTokens(bytes_of(x.bias_tokens));
  out.setBiasValues(bytes_of(x.bias_values));
  out.setMaxTokens(x.max_tokens);
  out.setFirstIndex(x.first_index);
  out.setStopTokens(bytes_of(x.stop_tokens));
  auto stops = out.initStopTexts(static_cast<unsigned>(x.stop_texts.size()));
  for (auto i = 0u; i < stops.size(); ++i)
    stops.set(i, x.stop_texts[i]);
  out.setLogprobs(x.logprobs ? *x.logprobs + 1 : 0);
  out.setReader(static_cast<wire_session::Answer::Reading>(x.reader));
  out.setInThought(x.in_thought);
  if (x.rules)
    put_rules(out.initRules(), *x.rules);
  out.setGiven(bytes_of(x.given));
}

void put_order(wire_session::Order::Builder out, const session_ask& x) {
  auto ask = out.initRequest();
  ask.setId(x.id);
  ask.setTokens(bytes_of(x.tokens));
  ask.setClient(x.client);
  ask.setSystemEnd(x.system_end);
  ask.setTurnEnds(bytes_of(x.turn_ends));
  auto answers = ask.initAnswers(static_cast<unsigned>(x.answers.size()));
  for (auto i = 0u; i < answers.size(); ++i)
    put_answer(answers[i], x.answers[i]);
}

void put_order(wire_session::Order::Builder out, const session_cancel& x) {
  out.setCancel(x.request);
}

void put(wire_session::Builder m, const session_order& x) {
  auto out = m.initOrder();
  out.setNumber(x.number);
  std::visit([&](const auto& what) { put_order(out, what); }, x.what);
}

void put_event(wire_session::Event::Builder out, const session_admitted&) {
  out.setAdmitted();
}

void put_event(wire_session::Event::Builder event, const session_refusal& x) {
  auto out = event.initRefused();
  out.setKind(x.kind);
  out.setText(x.text.substr(0, max_text_bytes));
  out.setFound(x.found);
  out.setLimit(x.limit);
  out.setRetrySeconds(x.retry_seconds);
}

void put_event(wire_session::Event::Builder event, const session_progress& x) {
  auto out = event.initProgress();
  out.setTokens(x.tokens);
  out.setCached(x.cached);
  out.setTotal(x.total);
}

template <class T>
void append(std::vector<std::byte>& out, T value) {
  const auto begin = out.size();
  out.resize(begin + sizeof value);
  std::memcpy(out.data() + begin, &value, sizeof value);
}

void put_event(wire_session::Event::Builder event, const session_step& x) {
  auto out = event.initStep();
  out.setChoice(x.choice);
  out.setTokens(bytes_of(x.tokens));
  out.setText(bytes_of(x.text));
  auto packed = std::vector<std::byte>{};
  for (const auto& l : x.logprobs) {
    append(packed, l.token);
    append(packed, l.logprob);
    append(packed, static_cast<std::uint32_t>(l.top.size()));
    for (const auto& [token, logprob] : l.top) {
      append(packed, token);
      append(packed, logprob);
    }
  }
  out.setLogprobs(bytes_of(packed));
}

void put_event(wire_session::Event::Builder event, const session_finish& x) {
  auto out = event.initEnd();
  out.setChoice(x.choice);
  out.setReason(x.reason);
  out.setFailed(x.failed);
  out.setCode(x.code);
  out.setText(x.text.substr(0, max_text_bytes));
  out.setPromptTokens(x.prompt_tokens);
  out.setCachedTokens(x.cached_tokens);
  out.setQueuedNanos(x.queued_ns);
  out.setPrefillNanos(x.prefill_ns);
  out.setReadTokens(x.read_tokens);
}

void put(wire_session::Builder m, const session_event& x) {
  auto out = m.initEvent();
  out.setNumber(x.number);
  out.setRequest(x.request);
  out.setReceived(x.received);
  std::visit([&](const auto& what) { put_event(out, what); }, x.what);
}

void put(wire_session::Builder m, const session_acknowledge& x) {
  m.setAcknowledge(x.event);
}

} // namespace

void write_session(wire::Session::Builder to, const session_message& from) {
  if (from.id)
    to.setId(bytes_of(*from.id));
  std::visit([&](const auto& what) { put(to, what); }, from.what);
}

} // namespace larql::schema
