// What the revisions do differently, beside the two flags of chat_template:
//
//                                       launch   interleaved  second      canonical
//   a result of a tool is               a turn   a turn       in the turn of its call
//   messages of the model in a row are  turns    turns        one turn, in second closed in between
//   thoughts behind the last question   none     with calls   with calls  all
//   behind a result, when thinking      a turn   a turn       nothing     an open thought
//   null in arguments is                None     None         None        null
//   commas in nested parameters are     early    early        right       right

#include "runtime/text/chat_writer.hpp"

#include "runtime/text/tool_format.hpp"
#include "runtime/text/trim.hpp"
#include "runtime/text/utf8.hpp"

#include <optional>
#include <string>
#include <utility>

namespace larql::text {

namespace {

constexpr std::string_view thought_begin = "<|channel>";
constexpr std::string_view thought_end = "<channel|>";
constexpr std::string_view thought_name = "thought\n";

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
  case chat_role::tool: return "tool";
  }
  return "user";
}

std::string trimmed(chat_role role, std::string_view text) {
  return std::string{
      trim(role == chat_role::model ? std::string_view{without_thoughts(text)} : text)};
}

std::string content_of(const chat_message& m) {
  if (m.parts.empty())
    return trimmed(m.role, m.content);
  auto out = std::string{};
  for (const auto& part : m.parts)
    out += trimmed(m.role, part);
  return out;
}

result<ordered_json> parse_value(std::string_view text, const std::string& where) {
  auto parsed = parse_ordered_json(text, where);
  if (!parsed)
    return failure{errc::usage, parsed.error().text};
  return parsed;
}

/// Writes one chat.
class chat_writer {
public:
  chat_writer(const chat_template& form, std::span<const chat_message> messages,
              const chat_options& options)
      : form_(form), messages_(messages), options_(options) {
    const auto early = form.revision == template_revision::launch ||
                       form.revision == template_revision::interleaved;
    style_ = {form.revision != template_revision::canonical, early};
    results_in_turns_ = early;
  }

  result<written_chat> write() {
    if (messages_.empty())
      return fail(errc::usage, "a chat needs at least one message");
    LARQL_TRY_VOID(check_tools(options_.tools));
    const auto* continued = continued_message();
    if (continued != nullptr)
      messages_ = messages_.first(messages_.size() - 1);
    out_.prompt.control("<bos>");
    LARQL_TRY_VOID(system_turn());
    for (auto i = first_; i < messages_.size(); ++i)
      if (messages_[i].role == chat_role::user)
        last_question_ = i;
    for (auto i = first_; i < messages_.size(); ++i) {
      const auto ok =
          messages_[i].role == chat_role::tool && !results_in_turns_ ? check_result(i) : message(i);
      LARQL_TRY_VOID(ok);
    }
    if (continued != nullptr)
      go_on(*continued);
    else if (options_.generation_prompt)
      generation_prompt(true);
    return std::move(out_);
  }

private:
  enum class last_part { other, call, response };

  [[nodiscard]] const chat_message* continued_message() const {
    const auto& last = messages_.back();
    return options_.continue_answer && last.role == chat_role::model && last.tool_calls.empty()
               ? &last
               : nullptr;
  }

  void open_turn(chat_role role) { out_.prompt.control("<|turn>").text(name_of(role)).text("\n"); }
  void close_turn() {
    out_.prompt.control("<turn|>").text("\n");
    out_.turn_ends.push_back(out_.prompt.size());
  }

  // With thinking, and with tools, there is a system turn even without a system message.
  result<void> system_turn() {
    const auto* system =
        !messages_.empty() && messages_[0].role == chat_role::system ? &messages_[0] : nullptr;
    first_ = system != nullptr ? 1 : 0;
    if (system == nullptr && !options_.thinking && options_.tools.empty())
      return {};
    open_turn(chat_role::system);
    if (options_.thinking) {
      out_.prompt.control("<|think|>");
      if (form_.newline_after_think)
        out_.prompt.text("\n");
    }
    if (system != nullptr && system->parts.empty())
      out_.prompt.text(trim(system->content));
    else if (system != nullptr)
      for (const auto& part : system->parts)
        out_.prompt.text(trim(part)).text(" ");
    for (const auto& tool : options_.tools) {
      auto parameters = ordered_json{};
      if (!tool.parameters.empty()) {
        LARQL_TRY(parameters, parse_value(tool.parameters, "the parameters of " + tool.name));
      }
      write_declaration(out_.prompt, tool.name, tool.description, parameters, style_);
    }
    close_turn();
    out_.system_end = out_.prompt.size();
    out_.turn_ends.clear();
    return {};
  }

  // The role of the nearest message that is not a tool's, before or behind a place.
  [[nodiscard]] std::optional<chat_role> role_before(std::size_t i) const {
    while (i-- > first_)
      if (messages_[i].role != chat_role::tool)
        return messages_[i].role;
    return std::nullopt;
  }
  [[nodiscard]] std::optional<chat_role> role_behind(std::size_t i) const {
    while (++i < messages_.size())
      if (messages_[i].role != chat_role::tool)
        return messages_[i].role;
    return std::nullopt;
  }

  [[nodiscard]] bool shows_reasoning(const chat_message& m, std::size_t i) const {
    if (m.reasoning.empty() || m.role != chat_role::model ||
        (last_question_ && i < *last_question_))
      return false;
    switch (form_.revision) {
    case template_revision::launch: return false;
    case template_revision::interleaved:
    case template_revision::second: return !m.tool_calls.empty();
    case template_revision::canonical: return true;
    }
    return false;
  }

  result<void> message(std::size_t i) {
    const auto& m = messages_[i];
    const auto is_model = m.role == chat_role::model;
    last_ = last_part::other;
    if (results_in_turns_ || !is_model || role_before(i) != chat_role::model)
      open_turn(m.role);
    if (shows_reasoning(m, i)) {
      out_.prompt.control(thought_begin).text(thought_name).text(m.reasoning);
      if (!results_in_turns_)
        out_.prompt.text("\n");
      out_.prompt.control(thought_end);
    }
    LARQL_TRY_VOID(calls(m, i));
    auto responses = false;
    if (!results_in_turns_ && !m.tool_calls.empty()) {
      LARQL_TRY(responses, results(i));
    }
    const auto content = shown_content(m);
    out_.prompt.text(content);
    end_message(i, responses, !content.empty());
    return {};
  }

  // A result that is an object leaves the turn of a tool empty, as in the template.
  [[nodiscard]] static std::string shown_content(const chat_message& m) {
    return m.role == chat_role::tool && m.content_is_json ? std::string{} : content_of(m);
  }

  void end_message(std::size_t i, bool responses, bool has_content) {
    const auto& m = messages_[i];
    const auto next = role_behind(i);
    if (results_in_turns_)
      return close_turn();
    if (!m.tool_calls.empty() && !responses) {
      out_.prompt.control("<|tool_response>");
      return;
    }
    const auto canonical = form_.revision == template_revision::canonical;
    if (canonical && m.role == chat_role::model && next == chat_role::model)
      return;
    if (!responses || has_content || (canonical && next))
      close_turn();
  }

  result<void> calls(const chat_message& m, std::size_t i) {
    for (const auto& call : m.tool_calls) {
      auto arguments = ordered_json::object();
      if (!trim(call.arguments).empty()) {
        const auto where = fmt::format("the arguments of {} in message {} of the chat",
                                       in_quotes(call.name), i + 1);
        LARQL_TRY(arguments, parse_value(call.arguments, where));
        if (!arguments.is_object())
          return fail(errc::usage, "{} are {}, expected a JSON object", where,
                      arguments.type_name());
      }
      write_call(out_.prompt, call.name, arguments, style_);
      last_ = last_part::call;
    }
    return {};
  }

  // Results of the calls of message `i`: those of tools right behind it. Whether there are any.
  result<bool> results(std::size_t i) {
    auto any = false;
    for (auto k = i + 1; k < messages_.size() && messages_[k].role == chat_role::tool; ++k) {
      const auto& m = messages_[k];
      auto response = ordered_json{};
      if (m.content_is_json) {
        LARQL_TRY(response, parse_value(m.content, fmt::format("message {} of the chat", k + 1)));
      } else {
        auto text = m.parts.empty() ? m.content : std::string{};
        for (const auto& part : m.parts)
          text += part;
        response = std::move(text);
      }
      write_response(out_.prompt, name_of_result(messages_[i], m, k - i - 1), response, style_);
      last_ = last_part::response;
      any = true;
    }
    return any;
  }

  [[nodiscard]] static std::string_view name_of_result(const chat_message& caller,
                                                       const chat_message& m, std::size_t place) {
    for (const auto& call : caller.tool_calls)
      if (!m.tool_call_id.empty() && call.id == m.tool_call_id)
        return call.name;
    if (!m.tool_name.empty())
      return m.tool_name;
    const auto counts = m.tool_call_id.empty() && place < caller.tool_calls.size();
    return counts ? std::string_view{caller.tool_calls[place].name} : "unknown";
  }

  // It has been written_chat with the call; here it must only have had one.
  [[nodiscard]] result<void> check_result(std::size_t i) const {
    auto k = i;
    while (k > first_ && messages_[k].role == chat_role::tool)
      --k;
    if (messages_[k].role == chat_role::model && !messages_[k].tool_calls.empty())
      return {};
    return fail(errc::usage,
                "message {} of the chat is the result of a tool, expected a message of the model "
                "with tool calls before it",
                i + 1);
  }

  // `no_thought`: without thinking, an empty thought says that it is over.
  void generation_prompt(bool no_thought) {
    if (last_ == last_part::other || results_in_turns_) {
      open_turn(chat_role::model);
      if (no_thought && !options_.thinking && form_.empty_thought_channel)
        out_.prompt.control(thought_begin).text(thought_name).control(thought_end);
    } else if (last_ == last_part::response && options_.thinking &&
               form_.revision == template_revision::canonical) {
      out_.prompt.control(thought_begin).text(thought_name);
      out_.in_thought = true;
    }
  }

  void go_on(const chat_message& m) {
    const auto content = content_of(m);
    const auto has_thought = options_.thinking && !m.reasoning.empty();
    if (!has_thought && !content.empty() && last_ == last_part::response && !results_in_turns_)
      last_ = last_part::call; // no thought is to be opened: its end would have to be made up
    generation_prompt(true);
    if (has_thought) {
      if (!out_.in_thought)
        out_.prompt.control(thought_begin).text(thought_name);
      out_.prompt.text(m.reasoning);
      out_.in_thought = content.empty();
      if (!content.empty())
        out_.prompt.text("\n").control(thought_end);
    }
    if (!content.empty())
      out_.prompt.text(content);
  }

  const chat_template& form_;
  std::span<const chat_message> messages_;
  const chat_options& options_;
  tool_style style_;
  bool results_in_turns_ = false;
  std::size_t first_ = 0; // message behind the system's
  std::optional<std::size_t> last_question_;
  last_part last_ = last_part::other;
  written_chat out_;
};

} // namespace

result<written_chat> write_chat(const chat_template& form, std::span<const chat_message> messages,
                                const chat_options& options) {
  return chat_writer{form, messages, options}.write();
}

} // namespace larql::text
