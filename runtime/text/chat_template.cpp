#include "runtime/text/chat_template.hpp"

#include "runtime/text/utf8.hpp"

namespace larql::text {

namespace {

constexpr std::string_view thought_begin = "<|channel>";
constexpr std::string_view thought_end = "<channel|>";

/// A prompt in parts: control tokens by name, and the text between them.
class prompt {
public:
  struct part {
    std::string text;
    bool control;
  };

  prompt& control(std::string_view token) {
    parts_.push_back({std::string{token}, true});
    return *this;
  }
  // Neighbouring text is one stretch: merges may go across.
  prompt& text(std::string_view text) {
    if (parts_.empty() || parts_.back().control)
      parts_.push_back({{}, false});
    parts_.back().text += text;
    return *this;
  }
  [[nodiscard]] const std::vector<part>& parts() const noexcept { return parts_; }

private:
  std::vector<part> parts_;
};

// What Python's str.strip() and with it the template's trim take away.
bool is_trimmed(const utf8_unit& unit) {
  return unit.what == utf8_unit::kind::scalar &&
         (is_white_space(unit.scalar) || (unit.scalar >= 0x1c && unit.scalar <= 0x1f));
}

std::string_view trim(std::string_view text) {
  while (!text.empty()) {
    const auto unit = next_utf8(text);
    if (!is_trimmed(unit))
      break;
    text.remove_prefix(unit.length);
  }
  auto end = std::size_t{0}; // of what is kept
  for (auto at = std::size_t{0}; at < text.size();) {
    const auto unit = next_utf8(text.substr(at));
    at += unit.length;
    if (!is_trimmed(unit))
      end = at;
  }
  return text.substr(0, end);
}

// Leaves out every thought; one that never ends goes to the end.
std::string without_thoughts(std::string_view text) {
  auto out = std::string{};
  for (;;) {
    const auto end = text.find(thought_end);
    const auto part = text.substr(0, end);
    out += part.substr(0, part.find(thought_begin));
    if (end == std::string_view::npos)
      return out;
    text.remove_prefix(end + thought_end.size());
  }
}

std::string_view name_of(chat_role role) {
  switch (role) {
  case chat_role::system: return "system";
  case chat_role::user: return "user";
  case chat_role::model: return "model";
  }
  return "user";
}

std::string content_of(const chat_message& m) {
  return std::string{trim(m.role == chat_role::model ? without_thoughts(m.content) : m.content)};
}

void open_turn(prompt& out, chat_role role) {
  out.control("<|turn>").text(name_of(role)).text("\n");
}

void close_turn(prompt& out) {
  out.control("<turn|>").text("\n");
}

// With thinking there is a system turn even without a system message.
void add_system_turn(prompt& out, const chat_template& form, const chat_message* system,
                     bool thinking) {
  open_turn(out, chat_role::system);
  if (thinking) {
    out.control("<|think|>");
    if (form.newline_after_think)
      out.text("\n");
  }
  if (system != nullptr)
    out.text(content_of(*system));
  close_turn(out);
}

// Messages of the model in a row continue one turn.
void add_turns(prompt& out, std::span<const chat_message> messages) {
  for (auto i = std::size_t{0}; i < messages.size(); ++i) {
    const auto is_model = [&](std::size_t at) {
      return at < messages.size() && messages[at].role == chat_role::model;
    };
    if (!is_model(i) || i == 0 || !is_model(i - 1))
      open_turn(out, messages[i].role);
    out.text(content_of(messages[i]));
    if (!is_model(i) || !is_model(i + 1))
      close_turn(out);
  }
}

result<prompt> write(const chat_template& form, std::span<const chat_message> messages,
                     const chat_options& options) {
  if (messages.empty())
    return fail(errc::usage, "a chat needs at least one message");
  const auto* system = messages[0].role == chat_role::system ? &messages[0] : nullptr;
  const auto turns = messages.subspan(system != nullptr ? 1 : 0);
  for (auto i = std::size_t{0}; i < turns.size(); ++i)
    if (turns[i].role == chat_role::system)
      return fail(errc::usage, "message {} of the chat is a system message, only the first may be",
                  messages.size() - turns.size() + i + 1);
  auto out = prompt{};
  out.control("<bos>");
  if (system != nullptr || options.thinking)
    add_system_turn(out, form, system, options.thinking);
  add_turns(out, turns);
  if (options.generation_prompt) {
    open_turn(out, chat_role::model);
    if (!options.thinking && form.empty_thought_channel)
      out.control(thought_begin).text("thought\n").control(thought_end);
  }
  return out;
}

} // namespace

result<chat_role> parse_chat_role(std::string_view name) {
  if (name == "system" || name == "developer")
    return chat_role::system;
  if (name == "user")
    return chat_role::user;
  if (name == "assistant" || name == "model")
    return chat_role::model;
  return fail(errc::usage,
              "the role of a message is {}, expected system, developer, user, assistant "
              "or model",
              in_quotes(name));
}

result<chat_template> chat_template::detect(std::string_view jinja, std::string_view name) {
  if (jinja.find("<|turn>") == std::string_view::npos)
    return fail(errc::unsupported,
                "{}: no \"<|turn>\" in it: not a chat template of Gemma 4, the only format known",
                name);
  // In the source of a template a newline is an escape within a string, or itself.
  const auto has = [&](std::string_view before, std::string_view after) {
    for (const auto* newline : {"\\n", "\n"})
      if (jinja.find(fmt::format("{}{}{}", before, newline, after)) != std::string_view::npos)
        return true;
    return false;
  };
  auto out = chat_template{};
  out.newline_after_think = has("<|think|>", "");
  out.empty_thought_channel = has("<|channel>thought", "<channel|>");
  return out;
}

result<std::vector<token_id>> chat_template::render(std::span<const chat_message> messages,
                                                    const chat_options& options,
                                                    const tokenizer& tokens) const {
  LARQL_TRY(const auto prompt, write(*this, messages, options));
  auto out = std::vector<token_id>{};
  for (const auto& part : prompt.parts()) {
    if (!part.control) {
      LARQL_TRY(const auto text, tokens.encode(part.text, false, control_text::stays_text));
      out.insert(out.end(), text.begin(), text.end());
      continue;
    }
    const auto id = tokens.find(part.text);
    if (!id || !tokens.is_control(*id))
      return fail(errc::mismatch,
                  "the tokenizer has no control token {}, which the chat template needs",
                  in_quotes(part.text));
    out.push_back(*id);
  }
  return out;
}

result<std::string> chat_template::render_text(std::span<const chat_message> messages,
                                               const chat_options& options) const {
  LARQL_TRY(const auto prompt, write(*this, messages, options));
  auto out = std::string{};
  for (const auto& part : prompt.parts())
    out += part.text;
  return out;
}

} // namespace larql::text
