#include "cli/serve/openai/responses_request.hpp"

#include "cli/serve/api/content_fields.hpp"
#include "cli/serve/api/sampling_fields.hpp"
#include "cli/serve/openai/messages.hpp"
#include "runtime/generate/logprobs.hpp"
#include "runtime/text/agent_header.hpp"

namespace larql::serve::openai {

namespace {

constexpr auto most_items = std::size_t{16'384};

// The last message if it is the assistant's and belongs to the same turn, else a new one:
// reasoning, text and calls of one turn come as items of their own.
text::chat_message& assistant_turn(std::vector<text::chat_message>& messages) {
  if (messages.empty() || messages.back().role != text::chat_role::model)
    messages.push_back({text::chat_role::model});
  return messages.back();
}

void add_message(field_reader& item, std::vector<text::chat_message>& out) {
  auto role = std::string{};
  if (!item.text("role", role))
    return item.wrong("role", "is missing");
  const auto known = text::parse_chat_role(role);
  if (!known || *known == text::chat_role::tool)
    return item.wrong("role", fmt::format("is {}, expected system, developer, user or assistant",
                                          brief(ordered_json(role))));
  auto texts = read_texts(item, "content");
  if (*known == text::chat_role::model) {
    auto& turn = assistant_turn(out);
    if (!turn.tool_calls.empty()) // text behind a call is a message of its own
      out.push_back({text::chat_role::model});
    out.back().content += join_texts(texts);
    return;
  }
  auto message = text::chat_message{*known};
  if (*known == text::chat_role::system)
    for (auto& t : texts)
      t = std::string{text::without_agent_header(t)};
  const auto* content = item.find("content");
  if (content != nullptr && content->is_array())
    message.parts = std::move(texts);
  else
    message.content = join_texts(texts);
  out.push_back(std::move(message));
}

void add_call(field_reader& item, std::vector<text::chat_message>& out) {
  auto call = text::tool_call{};
  if (!item.text("call_id", call.id))
    item.text("id", call.id);
  if (!item.text("name", call.name))
    return item.wrong("name", "is missing");
  call.arguments = read_arguments(item, "arguments");
  assistant_turn(out).tool_calls.push_back(std::move(call));
}

void add_result(field_reader& item, std::vector<text::chat_message>& out) {
  auto message = text::chat_message{text::chat_role::tool};
  if (!item.text("call_id", message.tool_call_id))
    return item.wrong("call_id", "is missing");
  const auto* output = item.find("output");
  if (output != nullptr && output->is_array())
    message.parts = read_texts(item, "output");
  else
    message.content = join_texts(read_texts(item, "output"));
  out.push_back(std::move(message));
}

void add_reasoning(field_reader& item, std::vector<text::chat_message>& out) {
  auto texts = read_texts(item, "content");
  if (texts.empty())
    texts = read_texts(item, "summary");
  // Thoughts come before what they led to: they begin a turn, unless one has only begun.
  if (out.empty() || out.back().role != text::chat_role::model || !out.back().content.empty() ||
      !out.back().tool_calls.empty())
    out.push_back({text::chat_role::model});
  out.back().reasoning += join_texts(texts);
}

void add_item(field_reader item, std::vector<text::chat_message>& out) {
  auto type = std::string{"message"};
  item.text("type", type);
  if (type == "message")
    return add_message(item, out);
  if (type == "function_call")
    return add_call(item, out);
  if (type == "function_call_output")
    return add_result(item, out);
  if (type == "reasoning")
    return add_reasoning(item, out);
  item.wrong("type",
             type == "item_reference"
                 ? std::string{"nothing is stored here: send the item itself"}
                 : fmt::format("{} is not supported", brief(ordered_json(type))),
             error_kind::unsupported);
}

void read_input(field_reader& fields, std::vector<text::chat_message>& out) {
  auto instructions = std::string{};
  if (fields.text("instructions", instructions))
    out.push_back({text::chat_role::system, std::string{text::without_agent_header(instructions)}});
  const auto* input = fields.find("input");
  if (input == nullptr)
    return fields.wrong("input", "is missing");
  if (input->is_string()) {
    out.push_back({text::chat_role::user, input->get<std::string>()});
    return;
  }
  const auto* items = fields.array("input");
  if (items == nullptr)
    return;
  if (items->empty() || items->size() > most_items)
    return fields.wrong("input",
                        fmt::format("has {} items, expected 1 to {}", items->size(), most_items));
  for (auto i = std::size_t{0}; i < items->size() && !fields.failed(); ++i)
    add_item(fields.element((*items)[i], "input", i), out);
  // Reasoning alone, as of an answer that was cut, is no message.
  std::erase_if(out, [](const text::chat_message& m) {
    return m.role == text::chat_role::model && m.content.empty() && m.tool_calls.empty();
  });
  if (out.empty())
    fields.wrong("input", "holds no message");
}

// Functions stand flat here, without an object around them.
void read_flat_tools(field_reader& fields, std::vector<text::tool_definition>& out) {
  const auto* tools = tools_of(fields);
  for (auto i = std::size_t{0}; tools != nullptr && i < tools->size(); ++i) {
    auto tool = fields.element((*tools)[i], "tools", i);
    if (!is_tool_of_type(tool, "function", "only functions can be called"))
      return;
    read_function(tool, out.emplace_back(), "parameters");
  }
}

void read_text_format(field_reader& fields, grammar::output_rules& out) {
  const auto* text = fields.object("text");
  if (text == nullptr)
    return;
  auto inside = fields.inside(*text, "text");
  const auto* format = inside.object("format");
  if (format == nullptr)
    return;
  auto at = inside.inside(*format, "format");
  auto type = std::string{"text"};
  at.text("type", type);
  if (type == "json_object")
    out.form = grammar::content_form::json_object;
  else if (type == "json_schema")
    read_schema(at, "schema", out);
  else if (type != "text")
    at.wrong("type", fmt::format("is {}, expected text, json_object or json_schema",
                                 brief(ordered_json(type))));
}

void refuse_state(field_reader& fields) {
  constexpr auto stateless = "this server stores no answers; send the whole conversation as input";
  fields.refuse("previous_response_id", stateless);
  fields.refuse("conversation", stateless);
  fields.refuse("background", stateless, {false});
  fields.refuse("prompt", "this server stores no prompts");
  fields.refuse("truncation", "nothing is left out silently", {"disabled"});
}

ordered_json echo_of(field_reader& fields, const completion_request& ask) {
  const auto given = [&](const char* key, ordered_json otherwise) {
    const auto* value = fields.find(key);
    return value == nullptr ? std::move(otherwise) : *value;
  };
  auto text = ordered_json::object();
  text["format"]["type"] = "text";
  auto reasoning = ordered_json::object();
  reasoning["effort"] = nullptr;
  reasoning["summary"] = nullptr;
  auto out = ordered_json::object();
  out["instructions"] = given("instructions", nullptr);
  out["max_output_tokens"] = given("max_output_tokens", nullptr);
  out["max_tool_calls"] = nullptr;
  out["parallel_tool_calls"] = ask.rules.parallel_calls;
  out["previous_response_id"] = nullptr;
  out["reasoning"] = given("reasoning", std::move(reasoning));
  out["store"] = false;
  out["temperature"] = given("temperature", 1.0);
  out["presence_penalty"] = given("presence_penalty", 0.0);
  out["frequency_penalty"] = given("frequency_penalty", 0.0);
  out["text"] = given("text", std::move(text));
  out["tool_choice"] = given("tool_choice", "auto");
  out["tools"] = given("tools", ordered_json::array());
  out["top_logprobs"] = ask.top_logprobs;
  out["top_p"] = given("top_p", 1.0);
  out["truncation"] = "disabled";
  out["metadata"] = given("metadata", ordered_json::object());
  out["user"] = given("user", nullptr);
  out["service_tier"] = "default";
  out["background"] = false;
  out["safety_identifier"] = given("safety_identifier", nullptr);
  out["prompt_cache_key"] = given("prompt_cache_key", nullptr);
  return out;
}

} // namespace

api_result<responses_request> read_responses_request(const ordered_json& body) {
  auto out = responses_request{};
  auto wrong = first_error{};
  auto fields = field_reader{body, "", wrong};
  refuse_state(fields);
  read_input(fields, out.ask.messages);
  fields.boolean("stream", out.stream);
  read_sampling(fields, out.ask.sampling);
  read_stops(fields, "stop", out.ask.stops);
  read_max_tokens(fields, {"max_output_tokens", "max_completion_tokens", "max_tokens"},
                  out.ask.max_tokens);
  read_flat_tools(fields, out.ask.rules.tools);
  read_tool_choice(fields, out.ask.rules);
  read_text_format(fields, out.ask.rules);
  if (const auto* reasoning = fields.object("reasoning")) {
    auto inside = fields.inside(*reasoning, "reasoning");
    read_effort(inside, "effort", out.ask);
  }
  out.ask.logprobs =
      fields.integer("top_logprobs", 0, generate::max_top_logprobs, out.ask.top_logprobs);
  if (const auto* include = fields.array("include"))
    for (const auto& what : *include)
      out.ask.logprobs = out.ask.logprobs || what == "message.output_text.logprobs";
  if (wrong)
    return *std::move(wrong);
  out.echo = echo_of(fields, out.ask);
  return out;
}

} // namespace larql::serve::openai
