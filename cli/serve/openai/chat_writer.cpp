#include "cli/serve/openai/chat_writer.hpp"

#include "cli/serve/openai/answer_parts.hpp"

namespace larql::serve::openai {

namespace {

ordered_json call_json(const choice_result::call& call) {
  auto out = ordered_json::object();
  out["id"] = call.id;
  out["type"] = "function";
  out["function"]["name"] = call.name;
  out["function"]["arguments"] = call.arguments;
  return out;
}

ordered_json message_json(const choice_result& choice) {
  auto out = ordered_json::object();
  out["role"] = "assistant";
  // Calls alone have no content, which clients tell from an empty text.
  out["content"] = choice.content.empty() && !choice.calls.empty() ? ordered_json{}
                                                                   : ordered_json(choice.content);
  if (!choice.reasoning.empty())
    out["reasoning_content"] = choice.reasoning;
  out["refusal"] = nullptr;
  if (!choice.calls.empty()) {
    auto calls = ordered_json::array();
    for (const auto& call : choice.calls)
      calls.push_back(call_json(call));
    out["tool_calls"] = std::move(calls);
  }
  return out;
}

ordered_json content_logprobs(const std::vector<token_logprobs>& tokens) {
  auto out = ordered_json::object();
  out["content"] = logprobs_json(tokens);
  out["refusal"] = nullptr;
  return out;
}

// The delta of a call: what is first told of it, or a piece of its arguments.
ordered_json call_delta(std::uint32_t index, const call_begin* begin, std::string_view arguments) {
  auto call = ordered_json::object();
  call["index"] = index;
  if (begin != nullptr) {
    call["id"] = begin->id;
    call["type"] = "function";
    call["function"]["name"] = begin->name;
  }
  call["function"]["arguments"] = arguments;
  auto out = ordered_json::object();
  out["tool_calls"] = ordered_json::array();
  out["tool_calls"].push_back(std::move(call));
  return out;
}

} // namespace

ordered_json chat_writer::envelope(const char* object) const {
  auto out = ordered_json::object();
  out["id"] = "chatcmpl-" + identity_.id;
  out["object"] = object;
  out["created"] = identity_.created;
  out["model"] = identity_.model;
  return out;
}

ordered_json chat_writer::envelope_of(std::uint32_t choice, ordered_json delta,
                                      ordered_json logprobs, const char* finish) const {
  auto one = ordered_json::object();
  one["index"] = choice;
  one["delta"] = std::move(delta);
  one["logprobs"] = std::move(logprobs);
  one["finish_reason"] = finish == nullptr ? ordered_json{} : ordered_json(finish);
  auto out = envelope("chat.completion.chunk");
  out["choices"] = ordered_json::array();
  out["choices"].push_back(std::move(one));
  if (options_.include_usage)
    out["usage"] = nullptr;
  return out;
}

void chat_writer::chunk(std::uint32_t choice, ordered_json delta, std::string& out,
                        ordered_json logprobs) const {
  append_sse(out, {}, envelope_of(choice, std::move(delta), std::move(logprobs), nullptr));
}

void chat_writer::finish(const completion_end* end, std::string& out) {
  if (!held_)
    return;
  auto data = envelope_of(held_->choice, ordered_json::object(), {}, name_of(held_->reason));
  held_.reset();
  if (end != nullptr)
    add_numbers(data, *end);
  append_sse(out, {}, data);
}

void chat_writer::write_end(const completion_end& end, std::string& out) {
  finish(options_.include_usage ? nullptr : &end, out);
  if (options_.include_usage) {
    auto data = envelope("chat.completion.chunk");
    data["choices"] = ordered_json::array();
    data["usage"] = usage_json(end.usage);
    add_numbers(data, end);
    append_sse(out, {}, data);
  }
  out += "data: [DONE]\n\n";
}

void chat_writer::begin(std::string& out) {
  for (auto i = std::uint32_t{0}; i < options_.choices; ++i) {
    auto delta = ordered_json::object();
    delta["role"] = "assistant";
    delta["content"] = "";
    chunk(i, std::move(delta), out);
  }
}

void chat_writer::write(const completion_event& event, std::string& out) {
  const auto delta_of = [](const char* key, const std::string& text) {
    auto delta = ordered_json::object();
    delta[key] = text;
    return delta;
  };
  if (const auto* text = std::get_if<text_delta>(&event)) {
    if (!text->text.empty() || !text->logprobs.empty())
      chunk(text->choice, delta_of("content", text->text), out,
            options_.logprobs ? content_logprobs(text->logprobs) : ordered_json{});
  } else if (const auto* thought = std::get_if<reasoning_delta>(&event)) {
    chunk(thought->choice, delta_of("reasoning_content", thought->text), out);
  } else if (const auto* begin = std::get_if<call_begin>(&event)) {
    chunk(begin->choice, call_delta(begin->index, begin, ""), out);
  } else if (const auto* arguments = std::get_if<call_arguments>(&event)) {
    chunk(arguments->choice, call_delta(arguments->index, nullptr, arguments->json), out);
  } else if (const auto* ended = std::get_if<choice_end>(&event)) {
    finish(nullptr, out);
    held_ = *ended;
  } else if (const auto* end = std::get_if<completion_end>(&event)) {
    write_end(*end, out);
  } else if (const auto* error = std::get_if<api_error>(&event)) {
    finish(nullptr, out);
    append_sse(out, {}, error_body(protocol::openai, *error));
  } else if (const auto* progress = std::get_if<prompt_progress>(&event)) {
    out += fmt::format(": {} of {} prompt tokens\n\n", progress->read, progress->total);
  }
}

ordered_json chat_writer::whole(const completion_result& result) const {
  auto out = envelope("chat.completion");
  auto choices = ordered_json::array();
  for (auto i = std::size_t{0}; i < result.choices().size(); ++i) {
    const auto& choice = result.choices()[i];
    auto one = ordered_json::object();
    one["index"] = i;
    one["message"] = message_json(choice);
    one["logprobs"] = options_.logprobs ? content_logprobs(choice.logprobs) : ordered_json{};
    one["finish_reason"] = name_of(choice.reason);
    choices.push_back(std::move(one));
  }
  out["choices"] = std::move(choices);
  const auto end = result.end();
  out["usage"] = usage_json(end.usage);
  add_numbers(out, end);
  return out;
}

} // namespace larql::serve::openai
