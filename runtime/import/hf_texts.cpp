#include "runtime/import/hf_texts.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/format.hpp"

#include <optional>

namespace larql::import {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view tokenizer_config_file = "tokenizer_config.json";
constexpr std::string_view template_json_file = "chat_template.json";

result<std::optional<std::string>> read_if_there(const fs::path& path) {
  LARQL_TRY(const auto exists, path_exists(path));
  if (!exists)
    return std::optional<std::string>{};
  LARQL_TRY(auto text, read_text_file(path, vindex::max_tokenizer_bytes));
  return std::optional{std::move(text)};
}

// The "chat_template" of a JSON file: a text, or a list of named ones of which "default" is meant.
result<std::optional<std::string>> template_in(const fs::path& path) {
  LARQL_TRY(const auto text, read_if_there(path));
  if (!text)
    return std::optional<std::string>{};
  LARQL_TRY(const auto parsed, parse_json(*text, path.string()));
  const auto f = json_fields{parsed, path.string()};
  if (!f.has("chat_template"))
    return std::optional<std::string>{};
  const auto& value = parsed["chat_template"];
  if (value.is_array()) {
    for (const auto& entry : value)
      if (entry.is_object() && entry.value("name", json()) == "default" &&
          entry.value("template", json()).is_string())
        return std::optional{entry["template"].get<std::string>()};
    return fail(errc::unsupported, "{}: field \"chat_template\" has no template named \"default\"",
                path.string());
  }
  LARQL_TRY(auto out, f.string("chat_template"));
  return std::optional{std::move(out)};
}

result<std::optional<std::string>> find_template(const fs::path& dir) {
  LARQL_TRY(auto plain, read_if_there(dir / vindex::chat_template_file));
  for (const auto name : {template_json_file, tokenizer_config_file})
    if (!plain) {
      LARQL_TRY(plain, template_in(dir / name));
    }
  return plain;
}

} // namespace

result<std::vector<text_file>> read_hf_texts(const fs::path& dir, const json& stop_tokens) {
  auto out = std::vector<text_file>{};
  const auto add = [&](std::string_view name, std::optional<std::string> content) {
    if (content)
      out.push_back({std::string{name}, std::move(*content)});
  };
  for (const auto name : {vindex::tokenizer_file, tokenizer_config_file,
                          std::string_view{"special_tokens_map.json"}}) {
    LARQL_TRY(auto content, read_if_there(dir / name));
    add(name, std::move(content));
  }
  LARQL_TRY(auto chat, find_template(dir));
  add(vindex::chat_template_file, std::move(chat));
  LARQL_TRY(auto generation, read_if_there(dir / vindex::generation_config_file));
  if (!generation && !stop_tokens.is_null())
    generation = json{{"eos_token_id", stop_tokens}}.dump(2) + "\n";
  add(vindex::generation_config_file, std::move(generation));
  return out;
}

} // namespace larql::import
