#include "runtime/text/generation_config.hpp"

#include "runtime/base/json.hpp"
#include "runtime/base/mapped_file.hpp"

#include <algorithm>

namespace larql::text {

namespace {

constexpr auto max_config_bytes = std::uint64_t{1} << 20; // real ones have 200 bytes
constexpr auto max_temperature = 100.0;

result<double> number_between(const json_fields& fields, const char* key, double low, double high,
                              double otherwise) {
  if (!fields.has(key))
    return otherwise;
  LARQL_TRY(const auto x, fields.number(key));
  if (!(x >= low && x <= high))
    return fail(errc::corrupt, "{}: field \"{}\" is {}, expected {} to {}", fields.where(), key, x,
                low, high);
  return x;
}

/// One id or a list of ids. Files name tokens that their tokenizer does not have; nothing can come
/// of those.
result<void> read_tokens(const json_fields& fields, const char* key, const json& file,
                         const tokenizer& tokens, std::vector<token_id>& out,
                         std::vector<std::string>& notes) {
  if (!fields.has(key))
    return {};
  const auto& value = file.at(key);
  const auto list = value.is_array() ? value : json::array({value});
  for (const auto& id : list) {
    if (!id.is_number_integer())
      return fail(errc::corrupt, "{}: field \"{}\" has {}, expected token ids", fields.where(), key,
                  id.is_primitive() ? id.dump(-1, ' ', true, json::error_handler_t::replace)
                                    : id.type_name());
    if (id.is_number_unsigned() && id.get<std::uint64_t>() < tokens.size())
      out.push_back(id.get<token_id>());
    else
      notes.push_back(fmt::format("{}: field \"{}\" has {}, which is no token of {}: left out",
                                  fields.where(), key, id.dump(), tokens.size()));
  }
  return {};
}

void add_stops_of_the_family(const tokenizer& tokens, std::vector<token_id>& out) {
  for (const auto* name : {"<eos>", "<turn|>", "<|tool_response>"})
    if (const auto id = tokens.find(name))
      out.push_back(*id);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
}

} // namespace

result<generation_config> parse_generation_config(std::string_view text, std::string_view name,
                                                  const tokenizer& tokens) {
  LARQL_TRY(const auto file, parse_json(text, name));
  if (!file.is_object())
    return fail(errc::corrupt, "{}: expected a JSON object, found {}", name, file.type_name());
  const auto fields = json_fields{file, std::string{name}};
  auto out = generation_config{};
  if (fields.has("do_sample")) {
    LARQL_TRY(out.sample, fields.boolean("do_sample"));
  }
  LARQL_TRY(out.temperature,
            number_between(fields, "temperature", 0, max_temperature, out.temperature));
  LARQL_TRY(out.top_p, number_between(fields, "top_p", 0, 1, out.top_p));
  if (fields.has("top_k")) {
    LARQL_TRY(const auto k, fields.unsigned_integer("top_k", vocabulary::max_tokens));
    out.top_k = static_cast<std::uint32_t>(k);
  }
  LARQL_TRY_VOID(read_tokens(fields, "eos_token_id", file, tokens, out.stop, out.notes));
  LARQL_TRY_VOID(read_tokens(fields, "suppress_tokens", file, tokens, out.suppress, out.notes));
  add_stops_of_the_family(tokens, out.stop);
  return out;
}

result<generation_config> read_generation_config(const std::filesystem::path& path,
                                                 const tokenizer& tokens) {
  auto text = read_text_file(path, max_config_bytes);
  if (!text && text.error().code == errc::not_found)
    return parse_generation_config("{}", path.string(), tokens);
  if (!text)
    return std::move(text).error();
  return parse_generation_config(*text, path.string(), tokens);
}

} // namespace larql::text
