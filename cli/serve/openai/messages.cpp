#include "cli/serve/openai/messages.hpp"

#include "cli/serve/api/content_fields.hpp"
#include "runtime/text/agent_header.hpp"

#include <algorithm>
#include <array>

namespace larql::serve::openai {

namespace {

// Bounds on lists; texts are bounded by the body.
constexpr auto most_messages = std::size_t{16'384};
constexpr auto most_tools = std::size_t{1024};

void read_calls(field_reader& message, text::chat_message& out) {
  const auto* calls = message.array("tool_calls");
  for (auto i = std::size_t{0}; calls != nullptr && i < calls->size(); ++i) {
    auto call = message.element((*calls)[i], "tool_calls", i);
    auto one = text::tool_call{};
    call.text("id", one.id);
    const auto* function = call.object("function");
    if (function == nullptr) {
      call.wrong("function", "is missing");
      return;
    }
    auto inside = call.inside(*function, "function");
    if (!inside.text("name", one.name))
      inside.wrong("name", "is missing");
    one.arguments = read_arguments(inside, "arguments");
    out.tool_calls.push_back(std::move(one));
  }
}

void read_content(field_reader& message, text::chat_message& out) {
  const auto* content = message.find("content");
  if (content != nullptr && content->is_object() && out.role == text::chat_role::tool) {
    out.content = to_text(*content);
    out.content_is_json = true;
    return;
  }
  auto texts = read_texts(message, "content");
  if (out.role == text::chat_role::system)
    for (auto& t : texts)
      t = std::string{text::without_agent_header(t)};
  if (content != nullptr && content->is_array())
    out.parts = std::move(texts);
  else
    out.content = join_texts(texts);
}

text::chat_message read_message(field_reader message) {
  auto out = text::chat_message{};
  auto role = std::string{};
  if (!message.text("role", role))
    message.wrong("role", "is missing");
  const auto known = text::parse_chat_role(role);
  if (!known) {
    message.wrong("role", fmt::format("is {}, expected system, developer, user, assistant or tool",
                                      brief(ordered_json(role))));
    return out;
  }
  out.role = *known;
  read_content(message, out);
  if (out.role == text::chat_role::model) {
    for (const auto* key : {"reasoning_content", "reasoning", "thinking"})
      if (out.reasoning.empty() && message.find(key) != nullptr && message.find(key)->is_string())
        out.reasoning = message.find(key)->get<std::string>();
    read_calls(message, out);
  }
  if (out.role == text::chat_role::tool) {
    message.text("tool_call_id", out.tool_call_id);
    for (const auto* key : {"name", "tool_name"})
      message.text(key, out.tool_name);
  }
  for (const auto* key : {"images", "audio"}) // Ollama's
    if (const auto* media = message.find(key); media != nullptr && !media->empty())
      message.wrong(key, "this model takes text only", error_kind::unsupported);
  return out;
}

} // namespace

std::string read_arguments(field_reader& function, const char* key) {
  const auto* value = function.find(key);
  if (value == nullptr)
    return {};
  if (value->is_object())
    return to_text(*value);
  auto out = std::string{};
  function.text(key, out);
  return out;
}

void read_messages(field_reader& fields, std::vector<text::chat_message>& out) {
  const auto* messages = fields.array("messages");
  if (messages == nullptr || messages->empty())
    return fields.wrong("messages", "expected at least one message");
  if (messages->size() > most_messages)
    return fields.wrong("messages", fmt::format("has {} messages, at most {} are taken",
                                                messages->size(), most_messages));
  for (auto i = std::size_t{0}; i < messages->size() && !fields.failed(); ++i)
    out.push_back(read_message(fields.element((*messages)[i], "messages", i)));
}

void read_function(field_reader& function, text::tool_definition& out, const char* schema_key) {
  if (!function.text("name", out.name) || out.name.empty())
    function.wrong("name", "is missing");
  function.text("description", out.description);
  function.boolean("strict", out.strict);
  if (const auto* schema = function.object(schema_key); schema != nullptr && !schema->empty())
    out.parameters = to_text(*schema);
}

const ordered_json* tools_of(field_reader& fields) {
  const auto* tools = fields.array("tools");
  if (tools == nullptr || tools->size() <= most_tools)
    return tools;
  fields.wrong("tools",
               fmt::format("has {} tools, at most {} are taken", tools->size(), most_tools));
  return nullptr;
}

bool is_tool_of_type(field_reader& tool, std::string_view only, std::string_view reason) {
  auto type = std::string{only};
  tool.text("type", type);
  if (type == only)
    return true;
  tool.wrong("type", fmt::format("{} is not supported: {}", brief(ordered_json(type)), reason),
             error_kind::unsupported);
  return false;
}

void read_tools(field_reader& fields, std::vector<text::tool_definition>& out) {
  const auto* tools = tools_of(fields);
  for (auto i = std::size_t{0}; tools != nullptr && i < tools->size(); ++i) {
    auto tool = fields.element((*tools)[i], "tools", i);
    if (!is_tool_of_type(tool, "function", "only functions can be called"))
      return;
    const auto* function = tool.object("function");
    if (function == nullptr)
      return tool.wrong("function", "is missing");
    auto inside = tool.inside(*function, "function");
    read_function(inside, out.emplace_back(), "parameters");
  }
}

void require_tool(field_reader& fields, const char* key, const std::string& name,
                  grammar::output_rules& out) {
  const auto offered = std::any_of(out.tools.begin(), out.tools.end(),
                                   [&](const auto& tool) { return tool.name == name; });
  if (!offered)
    return fields.wrong(
        key, fmt::format("names {}, which is none of the tools", brief(ordered_json(name))));
  out.choice = grammar::tool_choice::required;
  out.only_tool = name;
}

void read_tool_choice(field_reader& fields, grammar::output_rules& out) {
  fields.boolean("parallel_tool_calls", out.parallel_calls);
  const auto* choice = fields.find("tool_choice");
  if (choice == nullptr)
    return;
  if (choice->is_object()) {
    auto inside = fields.inside(*choice, "tool_choice");
    auto type = std::string{};
    inside.text("type", type);
    if (type != "function")
      return inside.wrong("type", fmt::format("{} is not supported", brief(ordered_json(type))),
                          error_kind::unsupported);
    // Chat completions have the name inside "function", responses beside the type.
    const auto* function = inside.object("function");
    auto name = std::string{};
    auto where = function == nullptr ? inside : inside.inside(*function, "function");
    if (!where.text("name", name))
      return where.wrong("name", "is missing");
    return require_tool(fields, "tool_choice", name, out);
  }
  auto word = std::string{};
  if (!fields.text("tool_choice", word))
    return;
  if (word == "none") {
    out.choice = grammar::tool_choice::none;
  } else if (word == "required" || word == "any") {
    if (out.tools.empty())
      return fields.wrong("tool_choice", "a call is required, and there are no tools");
    out.choice = grammar::tool_choice::required;
  } else if (word != "auto") {
    fields.wrong("tool_choice", fmt::format("is {}, expected none, auto, required or a function",
                                            brief(ordered_json(word))));
  }
}

void read_effort(field_reader& fields, const char* key, completion_request& out) {
  auto effort = std::string{};
  if (!fields.text(key, effort))
    return;
  // How many tokens of thoughts an effort is worth; above "medium" they are not bounded.
  struct level {
    std::string_view name;
    std::size_t budget_tokens;
  };
  constexpr auto unbounded = std::size_t{0};
  constexpr auto levels = std::array<level, 6>{{{"minimal", 256},
                                                {"low", 1024},
                                                {"medium", 4096},
                                                {"high", unbounded},
                                                {"xhigh", unbounded},
                                                {"max", unbounded}}};
  if (effort == "none") {
    out.thinking = false;
    return;
  }
  for (const auto& l : levels)
    if (effort == l.name) {
      out.thinking = true;
      if (l.budget_tokens != unbounded)
        out.rules.thought_budget = l.budget_tokens;
      return;
    }
  fields.wrong(key, fmt::format("is {}, expected none, minimal, low, medium, high, xhigh or max",
                                brief(ordered_json(effort))));
}

} // namespace larql::serve::openai
