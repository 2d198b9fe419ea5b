#include "cli/serve/anthropic/messages_request.hpp"

#include "cli/serve/api/content_fields.hpp"
#include "cli/serve/api/sampling_fields.hpp"
#include "cli/serve/openai/messages.hpp"
#include "runtime/text/agent_header.hpp"

namespace larql::serve::anthropic {

namespace {

constexpr auto most_messages = std::size_t{16'384};

// A system text, as a field of its own or as a message; blocks that change with every request are
// left out of the prompt.
void add_system(field_reader& fields, const char* key, std::vector<text::chat_message>& out) {
  auto texts = read_texts(fields, key);
  for (auto& t : texts)
    t = std::string{text::without_agent_header(t)};
  std::erase(texts, std::string{});
  if (texts.empty())
    return;
  auto message = text::chat_message{text::chat_role::system};
  if (texts.size() == 1)
    message.content = std::move(texts.front());
  else
    message.parts = std::move(texts);
  out.push_back(std::move(message));
}

// Results come inside a user's message; each is a message of the conversation.
void add_result(field_reader& block, std::vector<text::chat_message>& out) {
  auto message = text::chat_message{text::chat_role::tool};
  if (!block.text("tool_use_id", message.tool_call_id))
    return block.wrong("tool_use_id", "is missing");
  auto texts = read_texts(block, "content");
  auto is_error = false;
  block.boolean("is_error", is_error);
  if (is_error) {
    if (texts.empty())
      texts.emplace_back();
    texts.front().insert(0, "Error: ");
  }
  const auto* content = block.find("content");
  if (content != nullptr && content->is_array() && texts.size() > 1)
    message.parts = std::move(texts);
  else
    message.content = join_texts(texts);
  out.push_back(std::move(message));
}

// What a user's message holds, in its order: texts together, each result by itself.
class user_blocks {
public:
  explicit user_blocks(std::vector<text::chat_message>& out) : out_(out) {}

  void add(field_reader block) {
    auto type = std::string{};
    if (!block.text("type", type))
      return block.wrong("type", "is missing");
    if (type == "tool_result") {
      flush();
      return add_result(block, out_);
    }
    if (auto text = read_text_part(block))
      texts_.push_back(*std::move(text));
  }
  void flush() {
    if (texts_.empty())
      return;
    auto message = text::chat_message{text::chat_role::user};
    if (texts_.size() == 1)
      message.content = std::move(texts_.front());
    else
      message.parts = std::move(texts_);
    texts_.clear();
    out_.push_back(std::move(message));
  }

private:
  std::vector<text::chat_message>& out_;
  std::vector<std::string> texts_;
};

void add_assistant_block(field_reader block, text::chat_message& to) {
  auto type = std::string{};
  if (!block.text("type", type))
    return block.wrong("type", "is missing");
  if (type == "redacted_thinking")
    return; // nothing that could be read
  if (type == "thinking") {
    auto thought = std::string{};
    block.text("thinking", thought);
    to.reasoning += thought;
    return;
  }
  if (type == "tool_use") {
    auto call = text::tool_call{};
    block.text("id", call.id);
    if (!block.text("name", call.name))
      return block.wrong("name", "is missing");
    if (const auto* input = block.object("input"))
      call.arguments = to_text(*input);
    to.tool_calls.push_back(std::move(call));
    return;
  }
  if (auto text = read_text_part(block))
    to.content += *text;
}

void read_message(field_reader message, std::vector<text::chat_message>& out) {
  auto role = std::string{};
  if (!message.text("role", role))
    return message.wrong("role", "is missing");
  if (role == "system")
    return add_system(message, "content", out);
  if (role != "user" && role != "assistant")
    return message.wrong(
        "role", fmt::format("is {}, expected user or assistant", brief(ordered_json(role))));
  const auto is_user = role == "user";
  const auto* content = message.find("content");
  if (content != nullptr && content->is_string()) {
    out.push_back(
        {is_user ? text::chat_role::user : text::chat_role::model, content->get<std::string>()});
    return;
  }
  const auto* blocks = message.array("content");
  if (blocks == nullptr)
    return message.wrong("content", "is missing");
  auto users = user_blocks{out};
  auto assistant = text::chat_message{text::chat_role::model};
  for (auto i = std::size_t{0}; i < blocks->size() && !message.failed(); ++i) {
    auto block = message.element((*blocks)[i], "content", i);
    if (is_user)
      users.add(block);
    else
      add_assistant_block(block, assistant);
  }
  if (is_user)
    users.flush();
  else if (!assistant.content.empty() || !assistant.tool_calls.empty())
    out.push_back(std::move(assistant));
}

void read_messages(field_reader& fields, std::vector<text::chat_message>& out) {
  add_system(fields, "system", out);
  const auto* messages = fields.array("messages");
  if (messages == nullptr || messages->empty() || messages->size() > most_messages)
    return fields.wrong("messages", fmt::format("expected 1 to {} messages", most_messages));
  for (auto i = std::size_t{0}; i < messages->size() && !fields.failed(); ++i)
    read_message(fields.element((*messages)[i], "messages", i), out);
}

void read_tools(field_reader& fields, std::vector<text::tool_definition>& out) {
  const auto* tools = openai::tools_of(fields);
  for (auto i = std::size_t{0}; tools != nullptr && i < tools->size(); ++i) {
    auto tool = fields.element((*tools)[i], "tools", i);
    if (!openai::is_tool_of_type(tool, "custom", "this server runs no tools itself"))
      return;
    openai::read_function(tool, out.emplace_back(), "input_schema");
  }
}

void read_choice(field_reader& fields, grammar::output_rules& out) {
  const auto* choice = fields.object("tool_choice");
  if (choice == nullptr)
    return;
  auto inside = fields.inside(*choice, "tool_choice");
  auto type = std::string{}, name = std::string{};
  inside.text("type", type);
  auto one_only = false;
  if (inside.boolean("disable_parallel_tool_use", one_only))
    out.parallel_calls = !one_only;
  if (type == "none")
    out.choice = grammar::tool_choice::none;
  else if (type == "any" && out.tools.empty())
    inside.wrong("type", "a call is required, and there are no tools");
  else if (type == "any")
    out.choice = grammar::tool_choice::required;
  else if (type == "tool" && !inside.text("name", name))
    inside.wrong("name", "is missing");
  else if (type == "tool")
    openai::require_tool(inside, "name", name, out);
  else if (type != "auto")
    inside.wrong("type",
                 fmt::format("is {}, expected auto, any, tool or none", brief(ordered_json(type))));
}

void read_thinking(field_reader& fields, completion_request& out) {
  if (const auto* config = fields.object("output_config")) {
    auto inside = fields.inside(*config, "output_config");
    openai::read_effort(inside, "effort", out);
    out.thinking.reset(); // an effort alone does not switch thinking on
    if (const auto* format = inside.object("format")) {
      auto at = inside.inside(*format, "format");
      read_schema(at, "schema", out.rules);
    }
  }
  if (const auto* format = fields.object("output_format")) {
    auto at = fields.inside(*format, "output_format");
    read_schema(at, "schema", out.rules);
  }
  const auto* thinking = fields.object("thinking");
  if (thinking == nullptr)
    return;
  auto inside = fields.inside(*thinking, "thinking");
  auto type = std::string{};
  inside.text("type", type);
  if (type != "enabled" && type != "disabled" && type != "adaptive")
    return inside.wrong("type", fmt::format("is {}, expected enabled, disabled or adaptive",
                                            brief(ordered_json(type))));
  out.thinking = type != "disabled";
  auto budget = std::int64_t{0};
  if (inside.integer("budget_tokens", 1, std::int64_t{1} << 30, budget))
    out.rules.thought_budget = static_cast<std::size_t>(budget);
}

} // namespace

api_result<messages_request> read_messages_request(const ordered_json& body) {
  auto out = messages_request{};
  auto wrong = first_error{};
  auto fields = field_reader{body, "", wrong};
  read_messages(fields, out.ask.messages);
  fields.boolean("stream", out.stream);
  read_sampling(fields, out.ask.sampling);
  read_stops(fields, "stop_sequences", out.ask.stops);
  read_max_tokens(fields, {"max_tokens"}, out.ask.max_tokens);
  read_tools(fields, out.ask.rules.tools);
  read_choice(fields, out.ask.rules);
  read_thinking(fields, out.ask);
  fields.refuse("mcp_servers", "this server calls no others", {ordered_json::array()});
  fields.refuse("container", "this server runs no tools itself");
  if (!wrong && out.ask.messages.empty())
    wrong = api_error{error_kind::invalid, "all messages are empty", "messages"};
  if (wrong)
    return *std::move(wrong);
  return out;
}

} // namespace larql::serve::anthropic
