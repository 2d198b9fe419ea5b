#include "cli/serve/ollama/requests.hpp"

#include "cli/serve/api/sampling_fields.hpp"
#include "cli/serve/openai/messages.hpp"
#include "runtime/generate/logprobs.hpp"

namespace larql::serve::ollama {

namespace {

void read_options(field_reader& fields, completion_request& out) {
  const auto* options = fields.object("options");
  if (options == nullptr)
    return;
  auto inside = fields.inside(*options, "options");
  read_sampling(inside, out.sampling);
  read_stops(inside, "stop", out.stops);
  read_max_tokens(inside, {"num_predict"}, out.max_tokens);
  auto context = std::int64_t{0};
  inside.integer("num_ctx", 0, std::int64_t{1} << 30, context);
}

// A switch, or how much; levels as OpenAI names them.
void read_think(field_reader& fields, completion_request& out) {
  const auto* think = fields.find("think");
  if (think == nullptr)
    return;
  auto on = false;
  if (think->is_string())
    openai::read_effort(fields, "think", out);
  else if (fields.boolean("think", on))
    out.thinking = on;
}

// "json", a schema, or an empty text.
void read_format(field_reader& fields, grammar::output_rules& out) {
  const auto* format = fields.find("format");
  if (format == nullptr)
    return;
  if (format->is_object())
    return read_schema(fields, "format", out);
  auto word = std::string{};
  if (!fields.text("format", word) || word.empty())
    return;
  if (word != "json")
    return fields.wrong("format", fmt::format("is {}, expected \"json\" or a JSON schema",
                                              brief(ordered_json(word))));
  out.form = grammar::content_form::json_object;
}

// A number of seconds, or a text such as "5m"; whether it is none.
bool is_no_time(field_reader& fields, const char* key) {
  const auto* value = fields.find(key);
  if (value == nullptr)
    return false;
  if (value->is_number())
    return value->get<double>() == 0;
  if (value->is_string()) {
    const auto& text = value->get_ref<const std::string&>();
    return text == "0" || text == "0s" || text == "0m" || text == "0h";
  }
  fields.wrong(key, fmt::format("expected a duration, found {}", brief(*value)));
  return false;
}

void read_common(field_reader& fields, text_request& out) {
  if (!fields.text("model", out.model))
    fields.text("name", out.model);
  fields.boolean("stream", out.stream);
  out.unload = is_no_time(fields, "keep_alive");
  read_options(fields, out.ask);
  read_format(fields, out.ask.rules);
  read_think(fields, out.ask);
  fields.boolean("logprobs", out.ask.logprobs);
  fields.integer("top_logprobs", 0, generate::max_top_logprobs, out.ask.top_logprobs);
}

void refuse_media(field_reader& fields) {
  fields.refuse("images", "this model takes text only", {ordered_json::array()});
}

} // namespace

api_result<text_request> read_chat_request(const ordered_json& body) {
  auto out = text_request{};
  auto wrong = first_error{};
  auto fields = field_reader{body, "", wrong};
  read_common(fields, out);
  const auto* messages = fields.array("messages");
  out.load_only = messages == nullptr || messages->empty();
  if (!out.load_only)
    openai::read_messages(fields, out.ask.messages);
  openai::read_tools(fields, out.ask.rules.tools);
  if (wrong)
    return *std::move(wrong);
  return out;
}

api_result<text_request> read_generate_request(const ordered_json& body) {
  auto out = text_request{};
  auto wrong = first_error{};
  auto fields = field_reader{body, "", wrong};
  read_common(fields, out);
  auto prompt = std::string{}, system = std::string{};
  auto raw = false;
  fields.text("prompt", prompt);
  fields.text("system", system);
  fields.boolean("raw", raw);
  fields.refuse("suffix", "the model was not trained to fill a gap", {""});
  fields.refuse("template", "the model's own template is used", {""});
  fields.refuse("context", "use /api/chat, which has messages", {ordered_json::array()});
  refuse_media(fields);
  out.load_only = prompt.empty();
  if (raw) {
    out.ask.prompts.push_back({std::move(prompt)});
  } else {
    if (!system.empty())
      out.ask.messages.push_back({text::chat_role::system, std::move(system)});
    out.ask.messages.push_back({text::chat_role::user, std::move(prompt)});
  }
  if (wrong)
    return *std::move(wrong);
  return out;
}

} // namespace larql::serve::ollama
