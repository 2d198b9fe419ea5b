#include "cli/serve/anthropic/messages_writer.hpp"

namespace larql::serve::anthropic {

namespace {

// Thoughts are signed by their provider, which has to know them again. Nothing here depends on it,
// but clients leave out thoughts that have no signature.
constexpr auto signature = "larql";

const char* name_of(finish_reason reason) noexcept {
  switch (reason) {
  case finish_reason::stop: return "end_turn";
  case finish_reason::stop_text: return "stop_sequence";
  case finish_reason::tool_calls: return "tool_use";
  case finish_reason::max_tokens: return "max_tokens";
  case finish_reason::context_full: return "model_context_window_exceeded";
  }
  return "end_turn";
}

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json{} : ordered_json(text);
}

// Cached tokens are told apart from the others, not counted among them.
ordered_json usage_json(const completion_usage& usage) {
  auto out = ordered_json::object();
  out["input_tokens"] = usage.prompt_tokens - usage.cached_tokens;
  out["cache_creation_input_tokens"] = 0;
  out["cache_read_input_tokens"] = usage.cached_tokens;
  out["output_tokens"] = usage.answer_tokens;
  return out;
}

ordered_json thinking_block(const std::string& text, const char* signed_by) {
  auto out = ordered_json::object();
  out["type"] = "thinking";
  out["thinking"] = text;
  out["signature"] = signed_by;
  return out;
}

ordered_json text_block(const std::string& text) {
  auto out = ordered_json::object();
  out["type"] = "text";
  out["text"] = text;
  return out;
}

ordered_json tool_block(const std::string& id, const std::string& name, ordered_json input) {
  auto out = ordered_json::object();
  out["type"] = "tool_use";
  out["id"] = id;
  out["name"] = name;
  out["input"] = std::move(input);
  return out;
}

void emit(const char* type, ordered_json data, std::string& out) {
  auto event = ordered_json::object();
  event["type"] = type;
  for (auto& [key, value] : data.items())
    event[key] = std::move(value);
  append_sse(out, type, event);
}

} // namespace

ordered_json messages_writer::message(ordered_json content, const completion_usage& usage) const {
  auto out = ordered_json::object();
  out["id"] = "msg_" + identity_.id;
  out["type"] = "message";
  out["role"] = "assistant";
  out["model"] = identity_.model;
  out["content"] = std::move(content);
  out["stop_reason"] = nullptr;
  out["stop_sequence"] = nullptr;
  out["usage"] = usage_json(usage);
  return out;
}

ordered_json messages_writer::whole(const completion_result& result) const {
  const auto choice = result.choices().empty() ? choice_result{} : result.choices().front();
  auto content = ordered_json::array();
  if (!choice.reasoning.empty())
    content.push_back(thinking_block(choice.reasoning, signature));
  if (!choice.content.empty() || (choice.calls.empty() && choice.reasoning.empty()))
    content.push_back(text_block(choice.content));
  for (const auto& call : choice.calls)
    content.push_back(tool_block(call.id, call.name, arguments_object(call.arguments)));
  auto out = message(std::move(content), result.end().usage);
  out["stop_reason"] = name_of(choice.reason);
  out["stop_sequence"] = text_or_null(choice.stop_text);
  return out;
}

// ---- the stream ---------------------------------------------------------------------------------

void messages_writer::keep_alive(std::string& out) const {
  emit("ping", ordered_json::object(), out);
}

void messages_writer::start(const completion_usage& usage, std::string& out) {
  if (started_)
    return;
  started_ = true;
  auto data = ordered_json::object();
  data["message"] = message(ordered_json::array(), usage);
  emit("message_start", std::move(data), out);
  keep_alive(out);
}

void messages_writer::open(block_kind kind, ordered_json block, std::string& out) {
  kind_ = kind;
  auto data = ordered_json::object();
  data["index"] = index_;
  data["content_block"] = std::move(block);
  emit("content_block_start", std::move(data), out);
}

void messages_writer::close(std::string& out) {
  if (kind_ == block_kind::none)
    return;
  if (kind_ == block_kind::thinking)
    delta("signature_delta", "signature", signature, out);
  auto data = ordered_json::object();
  data["index"] = index_++;
  emit("content_block_stop", std::move(data), out);
  kind_ = block_kind::none;
}

void messages_writer::delta(const char* type, const char* key, const std::string& value,
                            std::string& out) const {
  auto data = ordered_json::object();
  data["index"] = index_;
  data["delta"]["type"] = type;
  data["delta"][key] = value;
  emit("content_block_delta", std::move(data), out);
}

void messages_writer::write(const completion_event& event, std::string& out) {
  if (const auto* progress = std::get_if<prompt_progress>(&event)) {
    if (started_)
      return keep_alive(out);
    return start({progress->total, progress->cached}, out);
  }
  if (const auto* error = std::get_if<api_error>(&event)) {
    append_sse(out, "error", error_body(protocol::anthropic, *error));
    return;
  }
  start({}, out);
  if (const auto* text = std::get_if<text_delta>(&event)) {
    if (text->text.empty())
      return;
    if (kind_ != block_kind::text) {
      close(out);
      open(block_kind::text, text_block({}), out);
    }
    delta("text_delta", "text", text->text, out);
  } else if (const auto* thought = std::get_if<reasoning_delta>(&event)) {
    if (kind_ != block_kind::thinking) {
      close(out);
      open(block_kind::thinking, thinking_block({}, ""), out);
    }
    delta("thinking_delta", "thinking", thought->text, out);
  } else if (const auto* begin_call = std::get_if<call_begin>(&event)) {
    close(out);
    open(block_kind::tool_use, tool_block(begin_call->id, begin_call->name, ordered_json::object()),
         out);
  } else if (const auto* arguments = std::get_if<call_arguments>(&event)) {
    delta("input_json_delta", "partial_json", arguments->json, out);
  } else if (std::holds_alternative<call_end>(event)) {
    close(out);
  } else if (const auto* ended = std::get_if<choice_end>(&event)) {
    end_ = *ended;
  } else if (const auto* end = std::get_if<completion_end>(&event)) {
    finish(*end, out);
  }
}

void messages_writer::finish(const completion_end& end, std::string& out) {
  if (kind_ == block_kind::none && index_ == 0)
    open(block_kind::text, text_block({}), out); // an answer without a word still has a block
  close(out);
  auto data = ordered_json::object();
  data["delta"]["stop_reason"] = name_of(end_.reason);
  data["delta"]["stop_sequence"] = text_or_null(end_.stop_text);
  data["usage"] = usage_json(end.usage);
  emit("message_delta", std::move(data), out);
  emit("message_stop", ordered_json::object(), out);
}

} // namespace larql::serve::anthropic
