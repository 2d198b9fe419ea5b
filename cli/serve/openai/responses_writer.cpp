#include "cli/serve/openai/responses_writer.hpp"

#include "cli/serve/openai/answer_parts.hpp"

namespace larql::serve::openai {

namespace {

bool was_cut(finish_reason reason) noexcept {
  return reason == finish_reason::max_tokens || reason == finish_reason::context_full;
}

ordered_json usage_of(const completion_usage& usage) {
  auto out = ordered_json::object();
  out["input_tokens"] = usage.prompt_tokens;
  out["input_tokens_details"]["cached_tokens"] = usage.cached_tokens;
  out["output_tokens"] = usage.answer_tokens;
  out["output_tokens_details"]["reasoning_tokens"] = usage.reasoning_tokens;
  out["total_tokens"] = usage.prompt_tokens + usage.answer_tokens;
  return out;
}

ordered_json text_part(const std::string& text, const std::vector<token_logprobs>& logprobs) {
  auto out = ordered_json::object();
  out["type"] = "output_text";
  out["text"] = text;
  out["annotations"] = ordered_json::array();
  out["logprobs"] = logprobs_json(logprobs);
  return out;
}

ordered_json thought_part(const std::string& text) {
  auto out = ordered_json::object();
  out["type"] = "reasoning_text";
  out["text"] = text;
  return out;
}

ordered_json list_of(ordered_json one) {
  auto out = ordered_json::array();
  out.push_back(std::move(one));
  return out;
}

ordered_json reasoning_item(const std::string& id, const char* status, ordered_json content) {
  auto out = ordered_json::object();
  out["id"] = id;
  out["type"] = "reasoning";
  out["summary"] = ordered_json::array();
  out["content"] = std::move(content);
  out["status"] = status;
  return out;
}

ordered_json message_item(const std::string& id, const char* status, ordered_json content) {
  auto out = ordered_json::object();
  out["id"] = id;
  out["type"] = "message";
  out["status"] = status;
  out["role"] = "assistant";
  out["content"] = std::move(content);
  return out;
}

ordered_json call_item(const std::string& id, const char* status, const choice_result::call& call) {
  auto out = ordered_json::object();
  out["id"] = id;
  out["type"] = "function_call";
  out["status"] = status;
  out["call_id"] = call.id;
  out["name"] = call.name;
  out["arguments"] = call.arguments;
  return out;
}

// Every item of an answer has an id of its own.
std::string item_id(const char* prefix, const std::string& answer, std::size_t index) {
  return fmt::format("{}_{}_{}", prefix, answer, index);
}

// What the end of an answer says about the whole of it.
void set_end(ordered_json& response, finish_reason reason, const completion_end& end,
             std::int64_t completed_at) {
  if (was_cut(reason))
    response["incomplete_details"]["reason"] = "max_output_tokens";
  else
    response["completed_at"] = completed_at;
  response["usage"] = usage_of(end.usage);
  add_numbers(response, end);
}

std::int64_t end_time(const answer_identity& identity, const completion_end& end) {
  return identity.created +
         std::chrono::duration_cast<std::chrono::seconds>(end.timings.total).count();
}

} // namespace

ordered_json responses_writer::response(const char* status, ordered_json output) const {
  auto out = ordered_json::object();
  out["id"] = "resp_" + identity_.id;
  out["object"] = "response";
  out["created_at"] = identity_.created;
  out["completed_at"] = nullptr;
  out["status"] = status;
  out["error"] = nullptr;
  out["incomplete_details"] = nullptr;
  out["model"] = identity_.model;
  out["output"] = std::move(output);
  out["usage"] = nullptr;
  for (const auto& [key, value] : options_.echo.items())
    out[key] = value;
  return out;
}

ordered_json responses_writer::whole(const completion_result& result) const {
  auto output = ordered_json::array();
  auto choice = result.choices().empty() ? choice_result{} : result.choices().front();
  const auto* status = was_cut(choice.reason) ? "incomplete" : "completed";
  if (!choice.reasoning.empty())
    output.push_back(reasoning_item(item_id("rs", identity_.id, output.size()), status,
                                    list_of(thought_part(choice.reasoning))));
  if (!choice.content.empty() || choice.calls.empty())
    output.push_back(message_item(item_id("msg", identity_.id, output.size()), status,
                                  list_of(text_part(choice.content, choice.logprobs))));
  for (const auto& call : choice.calls)
    output.push_back(call_item(item_id("fc", identity_.id, output.size()), status, call));
  auto out = response(status, std::move(output));
  const auto end = result.end();
  set_end(out, choice.reason, end, end_time(identity_, end));
  return out;
}

// ---- the stream ---------------------------------------------------------------------------------

void responses_writer::emit(const char* type, ordered_json data, std::string& out) {
  auto event = ordered_json::object();
  event["type"] = type;
  event["sequence_number"] = sequence_++;
  for (auto& [key, value] : data.items())
    event[key] = std::move(value);
  append_sse(out, type, event);
}

void responses_writer::begin(std::string& out) {
  for (const auto* type : {"response.created", "response.in_progress"}) {
    auto data = ordered_json::object();
    data["response"] = response("in_progress", ordered_json::array());
    emit(type, std::move(data), out);
  }
}

ordered_json responses_writer::item_json(const char* status) const {
  const auto index = output_.size();
  const auto begun = std::string_view{status} == "in_progress";
  switch (kind_) {
  case item_kind::reasoning:
    return reasoning_item(item_id("rs", identity_.id, index), status,
                          begun ? ordered_json::array() : list_of(thought_part(text_)));
  case item_kind::call:
    return call_item(item_id("fc", identity_.id, index), status, {call_id_, name_, text_});
  case item_kind::message:
  case item_kind::none: break;
  }
  return message_item(item_id("msg", identity_.id, index), status,
                      begun ? ordered_json::array() : list_of(text_part(text_, logprobs_)));
}

// What every event of an item has.
ordered_json responses_writer::at_item() const {
  const auto* prefix = kind_ == item_kind::reasoning ? "rs"
                       : kind_ == item_kind::call    ? "fc"
                                                     : "msg";
  auto out = ordered_json::object();
  out["item_id"] = item_id(prefix, identity_.id, output_.size());
  out["output_index"] = output_.size();
  if (kind_ != item_kind::call)
    out["content_index"] = 0;
  return out;
}

void responses_writer::open(item_kind kind, std::string& out) {
  kind_ = kind;
  text_.clear();
  logprobs_.clear();
  auto data = ordered_json::object();
  data["output_index"] = output_.size();
  data["item"] = item_json("in_progress");
  emit("response.output_item.added", std::move(data), out);
  if (kind == item_kind::call)
    return;
  auto part = at_item();
  part["part"] = kind == item_kind::reasoning ? thought_part({}) : text_part({}, {});
  emit("response.content_part.added", std::move(part), out);
}

void responses_writer::close(const char* status, std::string& out) {
  if (kind_ == item_kind::none)
    return;
  auto done = at_item();
  if (kind_ == item_kind::call) {
    done["name"] = name_;
    done["arguments"] = text_;
    emit("response.function_call_arguments.done", std::move(done), out);
  } else {
    const auto is_thought = kind_ == item_kind::reasoning;
    auto part = at_item();
    part["part"] = is_thought ? thought_part(text_) : text_part(text_, logprobs_);
    done["text"] = text_;
    if (!is_thought)
      done["logprobs"] = logprobs_json(logprobs_);
    emit(is_thought ? "response.reasoning_text.done" : "response.output_text.done", std::move(done),
         out);
    emit("response.content_part.done", std::move(part), out);
  }
  auto item = item_json(status);
  auto data = ordered_json::object();
  data["output_index"] = output_.size();
  data["item"] = item;
  emit("response.output_item.done", std::move(data), out);
  output_.push_back(std::move(item));
  kind_ = item_kind::none;
}

void responses_writer::add_text(item_kind kind, const std::string& text,
                                const std::vector<token_logprobs>& logprobs, std::string& out) {
  if (text.empty() && logprobs.empty())
    return;
  if (kind_ != kind) {
    close("completed", out);
    open(kind, out);
  }
  text_ += text;
  auto data = at_item();
  data["delta"] = text;
  if (kind == item_kind::message) {
    data["logprobs"] = logprobs_json(logprobs);
    logprobs_.insert(logprobs_.end(), logprobs.begin(), logprobs.end());
  }
  emit(kind == item_kind::message ? "response.output_text.delta" : "response.reasoning_text.delta",
       std::move(data), out);
}

void responses_writer::write(const completion_event& event, std::string& out) {
  if (const auto* text = std::get_if<text_delta>(&event)) {
    add_text(item_kind::message, text->text, text->logprobs, out);
  } else if (const auto* thought = std::get_if<reasoning_delta>(&event)) {
    add_text(item_kind::reasoning, thought->text, {}, out);
  } else if (const auto* begin_call = std::get_if<call_begin>(&event)) {
    close("completed", out);
    call_id_ = begin_call->id;
    name_ = begin_call->name;
    open(item_kind::call, out);
  } else if (const auto* arguments = std::get_if<call_arguments>(&event)) {
    text_ += arguments->json;
    auto data = at_item();
    data["delta"] = arguments->json;
    emit("response.function_call_arguments.delta", std::move(data), out);
  } else if (std::holds_alternative<call_end>(event)) {
    close("completed", out);
  } else if (const auto* ended = std::get_if<choice_end>(&event)) {
    reason_ = ended->reason;
  } else if (const auto* end = std::get_if<completion_end>(&event)) {
    finish(*end, out);
  } else if (const auto* error = std::get_if<api_error>(&event)) {
    fail(*error, out);
  } else if (const auto* progress = std::get_if<prompt_progress>(&event)) {
    out += fmt::format(": {} of {} prompt tokens\n\n", progress->read, progress->total);
  }
}

void responses_writer::finish(const completion_end& end, std::string& out) {
  if (kind_ == item_kind::none && output_.empty())
    open(item_kind::message, out); // an answer without a word is still a message
  const auto cut = was_cut(reason_);
  close(cut ? "incomplete" : "completed", out);
  auto data = ordered_json::object();
  data["response"] = response(cut ? "incomplete" : "completed", output_);
  set_end(data["response"], reason_, end, end_time(identity_, end));
  emit(cut ? "response.incomplete" : "response.completed", std::move(data), out);
  out += "data: [DONE]\n\n";
}

void responses_writer::fail(const api_error& error, std::string& out) {
  const auto body = error_body(protocol::openai, error)["error"];
  const auto code = body["code"].is_null() ? body["type"] : body["code"];
  auto event = ordered_json::object();
  event["code"] = code;
  event["message"] = body["message"];
  event["param"] = body["param"];
  emit("error", std::move(event), out);
  close("incomplete", out);
  auto data = ordered_json::object();
  data["response"] = response("failed", output_);
  data["response"]["error"]["code"] = code;
  data["response"]["error"]["message"] = body["message"];
  emit("response.failed", std::move(data), out);
}

} // namespace larql::serve::openai
