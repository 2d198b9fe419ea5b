#include "cli/serve/page/page_writer.hpp"

#include "cli/serve/openai/answer_parts.hpp"

namespace larql::serve {

namespace {

void line(std::string& out, const char* kind, ordered_json value) {
  auto event = ordered_json::object();
  event[kind] = std::move(value);
  out += to_text(event);
  out += '\n';
}

// More exact than OpenAI's reasons: the page can continue an answer that reached its own limit.
const char* name_of(finish_reason reason) {
  switch (reason) {
  case finish_reason::stop_text: return "stop_text";
  case finish_reason::max_tokens: return "max_tokens";
  case finish_reason::context_full: return "context_full";
  case finish_reason::stop:
  case finish_reason::tool_calls: break;
  }
  return "stop";
}

} // namespace

void page_writer::write(const completion_event& event, std::string& out) {
  if (const auto* text = std::get_if<text_delta>(&event)) {
    if (!text->text.empty())
      line(out, "text", text->text);
  } else if (const auto* thought = std::get_if<reasoning_delta>(&event)) {
    line(out, "thought", thought->text);
  } else if (const auto* progress = std::get_if<prompt_progress>(&event)) {
    line(out, "progress",
         {{"read", progress->read}, {"cached", progress->cached}, {"total", progress->total}});
  } else if (const auto* ended = std::get_if<choice_end>(&event)) {
    reason_ = ended->reason;
  } else if (const auto* end = std::get_if<completion_end>(&event)) {
    auto value = ordered_json::object();
    value["reason"] = name_of(reason_);
    value["usage"] = openai::usage_json(end->usage);
    openai::add_numbers(value, *end);
    line(out, "end", std::move(value));
  } else if (const auto* error = std::get_if<api_error>(&event)) {
    line(out, "error", error_body(protocol::openai, *error)["error"]);
  } else if (const auto* begin = std::get_if<call_begin>(&event)) {
    // The page offers no tools. A model that calls one all the same is shown as it is.
    line(out, "text", fmt::format("\n`{}(", begin->name));
  } else if (const auto* arguments = std::get_if<call_arguments>(&event)) {
    line(out, "text", arguments->json);
  } else if (std::holds_alternative<call_end>(event)) {
    line(out, "text", ")`\n");
  }
}

ordered_json page_writer::whole(const completion_result& result) const {
  auto out = ordered_json::object();
  out["text"] = result.choices().empty() ? std::string{} : result.choices().front().content;
  return out;
}

} // namespace larql::serve
