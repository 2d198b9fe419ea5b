#include "runtime/text/chat_template.hpp"

#include "runtime/text/chat_writer.hpp"
#include "runtime/text/utf8.hpp"

#include <utility>

namespace larql::text {

result<chat_template> chat_template::detect(std::string_view jinja, std::string_view name) {
  const auto contains = [&](std::string_view what) {
    return jinja.find(what) != std::string_view::npos;
  };
  if (!contains("<|turn>"))
    return fail(errc::unsupported,
                "{}: no \"<|turn>\" in it: not a chat template of Gemma 4, the only format known",
                name);
  // In the source of a template a newline is an escape within a string, or itself.
  const auto has = [&](std::string_view before, std::string_view after) {
    for (const auto* newline : {"\\n", "\n"})
      if (contains(fmt::format("{}{}{}", before, newline, after)))
        return true;
    return false;
  };
  auto out = chat_template{};
  out.newline_after_think = has("<|think|>", "");
  out.empty_thought_channel = has("<|channel>thought", "<channel|>");
  // By names that only one revision and those after it have. A template without tools is like the
  // last one in what is left.
  if (contains("continues_into_next") || !contains("tool_calls"))
    out.revision = template_revision::canonical;
  else if (contains("continue_same_model_turn"))
    out.revision = template_revision::second;
  else
    out.revision =
        contains("reasoning_content") ? template_revision::interleaved : template_revision::launch;
  return out;
}

result<chat_prompt> chat_template::render_prompt(std::span<const chat_message> messages,
                                                 const chat_options& options,
                                                 const tokenizer& tokens) const {
  LARQL_TRY(const auto source, write_chat(*this, messages, options));
  auto out = chat_prompt{};
  out.in_thought = source.in_thought;
  auto next_end = source.turn_ends.begin();
  for (auto i = std::size_t{0}; i < source.prompt.size(); ++i) {
    const auto& part = source.prompt.parts()[i];
    if (!part.control) {
      LARQL_TRY(const auto text, tokens.encode(part.text, false, control_text::stays_text));
      out.tokens.insert(out.tokens.end(), text.begin(), text.end());
    } else {
      const auto id = tokens.find(part.text);
      if (!id || !tokens.is_control(*id))
        return fail(errc::mismatch,
                    "the tokenizer has no control token {}, which the chat template needs",
                    in_quotes(part.text));
      out.tokens.push_back(*id);
    }
    if (i + 1 == source.system_end)
      out.system_end = out.tokens.size();
    if (next_end != source.turn_ends.end() && i + 1 == *next_end) {
      out.turn_ends.push_back(out.tokens.size());
      ++next_end;
    }
  }
  return out;
}

result<std::vector<token_id>> chat_template::render(std::span<const chat_message> messages,
                                                    const chat_options& options,
                                                    const tokenizer& tokens) const {
  LARQL_TRY(auto prompt, render_prompt(messages, options, tokens));
  return std::move(prompt.tokens);
}

result<std::string> chat_template::render_text(std::span<const chat_message> messages,
                                               const chat_options& options) const {
  LARQL_TRY(const auto source, write_chat(*this, messages, options));
  auto out = std::string{};
  for (const auto& part : source.prompt.parts())
    out += part.text;
  return out;
}

} // namespace larql::text
