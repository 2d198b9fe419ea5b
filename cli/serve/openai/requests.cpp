#include "cli/serve/openai/requests.hpp"

#include "cli/serve/api/sampling_fields.hpp"
#include "cli/serve/openai/messages.hpp"
#include "runtime/generate/logprobs.hpp"

namespace larql::serve::openai {

namespace {

// Answers of one request; all of them are computed at the same time.
constexpr auto most_choices = std::int64_t{64};
constexpr auto most_prompts = std::size_t{64};

// What both endpoints have.
void read_common(field_reader& fields, text_request& out) {
  fields.boolean("stream", out.stream);
  if (const auto* options = fields.object("stream_options"))
    fields.inside(*options, "stream_options").boolean("include_usage", out.include_usage);
  read_sampling(fields, out.ask.sampling);
  read_stops(fields, "stop", out.ask.stops);
  read_max_tokens(fields, {"max_completion_tokens", "max_tokens", "n_predict", "max_output_tokens"},
                  out.ask.max_tokens);
  fields.integer("n", 1, most_choices, out.ask.choices);
}

void read_response_format(field_reader& fields, grammar::output_rules& out) {
  if (fields.has("json_schema")) // llama.cpp's
    read_schema(fields, "json_schema", out);
  if (fields.has("guided_json")) // vLLM's
    read_schema(fields, "guided_json", out);
  const auto* format = fields.object("response_format");
  if (format == nullptr)
    return;
  auto inside = fields.inside(*format, "response_format");
  auto type = std::string{"text"};
  inside.text("type", type);
  if (type == "json_object") {
    out.form = grammar::content_form::json_object;
    if (inside.has("schema"))
      read_schema(inside, "schema", out);
  } else if (type == "json_schema") {
    const auto* named = inside.object("json_schema");
    if (named == nullptr)
      return inside.wrong("json_schema", "is missing");
    auto schema = inside.inside(*named, "json_schema");
    read_schema(schema, "schema", out);
  } else if (type != "text") {
    inside.wrong("type", fmt::format("is {}, expected text, json_object or json_schema",
                                     brief(ordered_json(type))));
  }
}

void read_chat_logprobs(field_reader& fields, completion_request& out) {
  fields.boolean("logprobs", out.logprobs);
  if (!fields.integer("top_logprobs", 0, generate::max_top_logprobs, out.top_logprobs))
    return;
  if (out.top_logprobs > 0 && !out.logprobs)
    fields.wrong("top_logprobs", "needs \"logprobs\": true");
}

// Whether the model thinks, by the names that different servers have for it.
void read_thinking(field_reader& fields, completion_request& out) {
  read_effort(fields, "reasoning_effort", out);
  const auto switch_it = [&](field_reader& at, const char* key) {
    auto on = false;
    if (at.boolean(key, on))
      out.thinking = on;
  };
  switch_it(fields, "enable_thinking");
  if (const auto* more = fields.object("chat_template_kwargs")) {
    auto inside = fields.inside(*more, "chat_template_kwargs");
    switch_it(inside, "enable_thinking");
    switch_it(inside, "thinking");
  }
  for (const auto* key : {"thinking_budget_tokens", "thinking_budget", "reasoning_budget"}) {
    auto budget = std::int64_t{0};
    if (!fields.integer(key, -1, std::int64_t{1} << 30, budget))
      continue;
    if (budget == 0)
      out.thinking = false;
    else if (budget > 0)
      out.rules.thought_budget = static_cast<std::size_t>(budget);
  }
  fields.refuse("reasoning_format", "thoughts come as reasoning_content",
                {"auto", "deepseek", "deepseek-legacy"});
}

void refuse_others(field_reader& fields) {
  fields.refuse("functions", "use \"tools\"", {ordered_json::array()});
  fields.refuse("function_call", "use \"tool_choice\"", {"none", "auto"});
  fields.refuse("audio", "this model makes text only");
  fields.refuse("modalities", "this model makes text only", {ordered_json::array({"text"})});
  fields.refuse("web_search_options", "this server searches nothing");
}

void read_prompt(field_reader& fields, const ordered_json& prompt, const std::string& key,
                 std::vector<raw_prompt>& out) {
  if (prompt.is_string()) {
    out.push_back({prompt.get<std::string>()});
    return;
  }
  auto one = raw_prompt{};
  for (const auto& token : prompt) {
    if (!token.is_number_unsigned() || token.get<std::uint64_t>() > UINT32_MAX)
      return fields.wrong(key, fmt::format("expected token ids, found {}", brief(token)));
    one.tokens.push_back(token.get<std::uint32_t>());
  }
  if (one.tokens.empty())
    return fields.wrong(key, "is empty");
  out.push_back(std::move(one));
}

void read_prompts(field_reader& fields, std::vector<raw_prompt>& out) {
  const auto* prompt = fields.find("prompt");
  if (prompt == nullptr)
    return fields.wrong("prompt", "is missing");
  const auto is_list = prompt->is_array() && !prompt->empty() &&
                       (prompt->front().is_string() || prompt->front().is_array());
  if (!is_list) {
    if (!prompt->is_string() && !prompt->is_array())
      return fields.wrong("prompt",
                          fmt::format("expected a text or token ids, found {}", brief(*prompt)));
    return read_prompt(fields, *prompt, "prompt", out);
  }
  if (prompt->size() > most_prompts)
    return fields.wrong("prompt", fmt::format("has {} prompts, at most {} are taken",
                                              prompt->size(), most_prompts));
  for (auto i = std::size_t{0}; i < prompt->size(); ++i) {
    const auto key = fmt::format("prompt[{}]", i);
    const auto& element = (*prompt)[i];
    if (!element.is_string() && !element.is_array())
      return fields.wrong(key,
                          fmt::format("expected a text or token ids, found {}", brief(element)));
    read_prompt(fields, element, key, out);
  }
}

} // namespace

api_result<text_request> read_chat_request(const ordered_json& body) {
  auto out = text_request{};
  auto wrong = first_error{};
  auto fields = field_reader{body, "", wrong};
  read_messages(fields, out.ask.messages);
  read_common(fields, out);
  read_tools(fields, out.ask.rules.tools);
  read_tool_choice(fields, out.ask.rules);
  read_response_format(fields, out.ask.rules);
  read_chat_logprobs(fields, out.ask);
  read_thinking(fields, out.ask);
  refuse_others(fields);
  if (wrong)
    return *std::move(wrong);
  return out;
}

api_result<text_request> read_completion_request(const ordered_json& body) {
  auto out = text_request{};
  auto wrong = first_error{};
  auto fields = field_reader{body, "", wrong};
  read_prompts(fields, out.ask.prompts);
  read_common(fields, out);
  read_response_format(fields, out.ask.rules);
  auto logprobs = std::int64_t{0};
  if (const auto* value = fields.find("logprobs"); value != nullptr && !value->is_boolean())
    out.ask.logprobs = fields.integer("logprobs", 0, generate::max_top_logprobs, logprobs);
  else
    fields.boolean("logprobs", out.ask.logprobs);
  out.ask.top_logprobs = static_cast<std::uint32_t>(logprobs);
  fields.refuse("suffix", "the model was not trained to fill a gap", {""});
  fields.refuse("echo", "the prompt is not repeated", {false});
  auto best_of = out.ask.choices;
  if (fields.integer("best_of", 1, most_choices, best_of) && best_of != out.ask.choices)
    fields.wrong("best_of", "must equal n: all answers are returned", error_kind::unsupported);
  if (wrong)
    return *std::move(wrong);
  return out;
}

} // namespace larql::serve::openai
