#include "cli/serve/ollama/text_writer.hpp"

#include "cli/serve/api/time_text.hpp"
#include "cli/serve/openai/answer_parts.hpp"

namespace larql::serve::ollama {

namespace {

const char* name_of(finish_reason reason) noexcept {
  return reason == finish_reason::max_tokens || reason == finish_reason::context_full ? "length"
                                                                                      : "stop";
}

ordered_json call_json(const choice_result::call& call, std::size_t index) {
  auto out = ordered_json::object();
  out["id"] = call.id;
  out["function"]["index"] = index;
  out["function"]["name"] = call.name;
  out["function"]["arguments"] = arguments_object(call.arguments);
  return out;
}

ordered_json list_of(ordered_json one) {
  auto out = ordered_json::array();
  out.push_back(std::move(one));
  return out;
}

void add_end(ordered_json& to, finish_reason reason, const completion_end& end) {
  to["done"] = true;
  to["done_reason"] = name_of(reason);
  to["total_duration"] = end.timings.total.count();
  to["load_duration"] = 0;
  to["prompt_eval_count"] = end.usage.prompt_tokens;
  to["prompt_eval_duration"] = end.timings.prompt.count();
  to["eval_count"] = end.usage.answer_tokens;
  to["eval_duration"] = end.timings.answer.count();
}

} // namespace

ordered_json text_writer::envelope(const std::string& content, const std::string& thinking,
                                   ordered_json calls) const {
  auto out = ordered_json::object();
  out["model"] = identity_.model;
  out["created_at"] = time_text(identity_.created, identity_.created_ms);
  if (kind_ == endpoint_kind::generate) {
    out["response"] = content;
    if (!thinking.empty())
      out["thinking"] = thinking;
  } else {
    auto& message = out["message"];
    message["role"] = "assistant";
    message["content"] = content;
    if (!thinking.empty())
      message["thinking"] = thinking;
    if (!calls.empty())
      message["tool_calls"] = std::move(calls);
  }
  out["done"] = false;
  return out;
}

void text_writer::line(const std::string& content, const std::string& thinking, ordered_json calls,
                       const std::vector<token_logprobs>& logprobs, std::string& out) const {
  auto data = envelope(content, thinking, std::move(calls));
  if (logprobs_)
    data["logprobs"] = openai::logprobs_json(logprobs);
  out.append(to_text(data)).append("\n");
}

void text_writer::write(const completion_event& event, std::string& out) {
  if (const auto* text = std::get_if<text_delta>(&event)) {
    if (!text->text.empty() || !text->logprobs.empty())
      line(text->text, {}, {}, text->logprobs, out);
  } else if (const auto* thought = std::get_if<reasoning_delta>(&event)) {
    line({}, thought->text, {}, {}, out);
  } else if (const auto* begin_call = std::get_if<call_begin>(&event)) {
    call_ = {begin_call->id, begin_call->name, {}};
  } else if (const auto* arguments = std::get_if<call_arguments>(&event)) {
    call_.arguments += arguments->json;
  } else if (const auto* ended_call = std::get_if<call_end>(&event)) {
    line({}, {}, list_of(call_json(call_, ended_call->index)), {}, out);
  } else if (const auto* ended = std::get_if<choice_end>(&event)) {
    end_ = *ended;
  } else if (const auto* end = std::get_if<completion_end>(&event)) {
    auto data = envelope({}, {}, {});
    add_end(data, end_.reason, *end);
    out.append(to_text(data)).append("\n");
  } else if (const auto* error = std::get_if<api_error>(&event)) {
    out.append(to_text(error_body(protocol::ollama, *error))).append("\n");
  }
}

ordered_json text_writer::whole(const completion_result& result) const {
  const auto choice = result.choices().empty() ? choice_result{} : result.choices().front();
  auto calls = ordered_json::array();
  for (const auto& call : choice.calls)
    calls.push_back(call_json(call, calls.size()));
  auto out = envelope(choice.content, choice.reasoning, std::move(calls));
  add_end(out, choice.reason, result.end());
  if (logprobs_)
    out["logprobs"] = openai::logprobs_json(choice.logprobs);
  return out;
}

ordered_json text_writer::loaded(bool unload) const {
  auto out = envelope({}, {}, {});
  out["done"] = true;
  out["done_reason"] = unload ? "unload" : "load";
  return out;
}

} // namespace larql::serve::ollama
