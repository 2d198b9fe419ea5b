#include "cli/serve/openai/completion_writer.hpp"

#include "cli/serve/openai/answer_parts.hpp"

namespace larql::serve::openai {

namespace {

// The older shape of logprobs: lists side by side. `offset` counts the bytes of the tokens.
ordered_json legacy_logprobs(const std::vector<token_logprobs>& tokens, std::size_t& offset) {
  auto texts = ordered_json::array(), chosen = ordered_json::array();
  auto top = ordered_json::array(), offsets = ordered_json::array();
  for (const auto& token : tokens) {
    const auto one = token_json(token.chosen);
    texts.push_back(one["token"]);
    chosen.push_back(one["logprob"]);
    auto likely = ordered_json::object();
    for (const auto& other : token.top)
      likely[other.bytes] = token_json(other)["logprob"];
    top.push_back(std::move(likely));
    offsets.push_back(offset);
    offset += token.chosen.bytes.size();
  }
  auto out = ordered_json::object();
  out["tokens"] = std::move(texts);
  out["token_logprobs"] = std::move(chosen);
  out["top_logprobs"] = std::move(top);
  out["text_offset"] = std::move(offsets);
  return out;
}

ordered_json choice_json(std::size_t index, const std::string& text) {
  auto out = ordered_json::object();
  out["text"] = text;
  out["index"] = index;
  out["logprobs"] = nullptr;
  out["finish_reason"] = nullptr;
  return out;
}

} // namespace

ordered_json completion_writer::envelope() const {
  auto out = ordered_json::object();
  out["id"] = "cmpl-" + identity_.id;
  out["object"] = "text_completion";
  out["created"] = identity_.created;
  out["model"] = identity_.model;
  return out;
}

void completion_writer::chunk(std::uint32_t choice, const std::string& text,
                              const std::vector<token_logprobs>& logprobs, std::string& out) {
  auto one = choice_json(choice, text);
  if (options_.logprobs) {
    if (offsets_.size() <= choice)
      offsets_.resize(choice + 1);
    one["logprobs"] = legacy_logprobs(logprobs, offsets_[choice]);
  }
  append_sse(out, {}, envelope_of(std::move(one)));
}

void completion_writer::finish(const completion_end* end, std::string& out) {
  if (!held_)
    return;
  auto one = choice_json(held_->choice, {});
  one["finish_reason"] = name_of(held_->reason);
  held_.reset();
  auto data = envelope_of(std::move(one));
  if (end != nullptr)
    add_numbers(data, *end);
  append_sse(out, {}, data);
}

ordered_json completion_writer::envelope_of(ordered_json choice) const {
  auto out = envelope();
  out["choices"] = ordered_json::array();
  out["choices"].push_back(std::move(choice));
  if (options_.include_usage)
    out["usage"] = nullptr;
  return out;
}

void completion_writer::write(const completion_event& event, std::string& out) {
  if (const auto* text = std::get_if<text_delta>(&event)) {
    if (!text->text.empty() || !text->logprobs.empty())
      chunk(text->choice, text->text, text->logprobs, out);
  } else if (const auto* ended = std::get_if<choice_end>(&event)) {
    finish(nullptr, out);
    held_ = *ended;
  } else if (const auto* end = std::get_if<completion_end>(&event)) {
    finish(options_.include_usage ? nullptr : end, out);
    if (options_.include_usage) {
      auto data = envelope();
      data["choices"] = ordered_json::array();
      data["usage"] = usage_json(end->usage);
      add_numbers(data, *end);
      append_sse(out, {}, data);
    }
    out += "data: [DONE]\n\n";
  } else if (const auto* error = std::get_if<api_error>(&event)) {
    finish(nullptr, out);
    append_sse(out, {}, error_body(protocol::openai, *error));
  } else if (const auto* progress = std::get_if<prompt_progress>(&event)) {
    out += fmt::format(": {} of {} prompt tokens\n\n", progress->read, progress->total);
  }
}

ordered_json completion_writer::whole(const completion_result& result) const {
  auto out = envelope();
  auto choices = ordered_json::array();
  for (auto i = std::size_t{0}; i < result.choices().size(); ++i) {
    const auto& choice = result.choices()[i];
    auto offset = std::size_t{0};
    auto one = choice_json(i, choice.content);
    if (options_.logprobs)
      one["logprobs"] = legacy_logprobs(choice.logprobs, offset);
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
