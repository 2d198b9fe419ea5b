#include "cli/serve/api/completion_result.hpp"

namespace larql::serve {

choice_result& completion_result::choice(std::uint32_t index) {
  if (choices_.size() <= index)
    choices_.resize(index + 1);
  return choices_[index];
}

choice_result::call& completion_result::call(std::uint32_t choice_index, std::uint32_t index) {
  auto& calls = choice(choice_index).calls;
  if (calls.size() <= index)
    calls.resize(index + 1);
  return calls[index];
}

void completion_result::add(const completion_event& event) {
  if (const auto* text = std::get_if<text_delta>(&event)) {
    auto& to = choice(text->choice);
    to.content += text->text;
    to.logprobs.insert(to.logprobs.end(), text->logprobs.begin(), text->logprobs.end());
  } else if (const auto* thought = std::get_if<reasoning_delta>(&event)) {
    choice(thought->choice).reasoning += thought->text;
  } else if (const auto* begin = std::get_if<call_begin>(&event)) {
    auto& to = call(begin->choice, begin->index);
    to.id = begin->id;
    to.name = begin->name;
  } else if (const auto* arguments = std::get_if<call_arguments>(&event)) {
    call(arguments->choice, arguments->index).arguments += arguments->json;
  } else if (const auto* ended_choice = std::get_if<choice_end>(&event)) {
    auto& to = choice(ended_choice->choice);
    to.reason = ended_choice->reason;
    to.stop_text = ended_choice->stop_text;
  } else if (const auto* end = std::get_if<completion_end>(&event)) {
    end_ = *end;
  } else if (const auto* error = std::get_if<api_error>(&event)) {
    error_ = *error;
  }
}

ordered_json arguments_object(const std::string& json) {
  auto parsed = ordered_json::parse(json, nullptr, false);
  return parsed.is_object() ? parsed : ordered_json::object();
}

} // namespace larql::serve
