#include "runtime/grammar/schema_leaves.hpp"

#include "runtime/grammar/formats.hpp"
#include "runtime/grammar/number_range.hpp"
#include "runtime/grammar/schema_merge.hpp"
#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace larql::grammar {

namespace {

constexpr std::size_t max_enum = 10'000;

bool has(const ordered_json& schema, const char* key) {
  return schema.contains(key);
}

bool is_of_type(const ordered_json& value, const std::vector<std::string>& types) {
  const auto is = [&](const std::string& t) {
    return (t == "string" && value.is_string()) || (t == "object" && value.is_object()) ||
           (t == "array" && value.is_array()) || (t == "boolean" && value.is_boolean()) ||
           (t == "null" && value.is_null()) || (t == "number" && value.is_number()) ||
           (t == "integer" && value.is_number() &&
            value.get<double>() == std::floor(value.get<double>()));
  };
  return types.empty() || std::any_of(types.begin(), types.end(), is);
}

} // namespace

result<std::uint32_t> count_in(const ordered_json& schema, const char* key,
                               std::uint32_t otherwise) {
  if (!has(schema, key))
    return otherwise;
  const auto& value = schema[key];
  if (!value.is_number() || value.get<double>() < 0 ||
      value.get<double>() != std::floor(value.get<double>()))
    return fail(errc::usage, "{} is no number of things", key);
  return static_cast<std::uint32_t>(std::min(value.get<double>(), 4e9));
}

result<node_id> add_string_schema(value_forms& forms, const ordered_json& schema) {
  LARQL_TRY(const auto min, count_in(schema, "minLength", 0));
  LARQL_TRY(const auto max, count_in(schema, "maxLength", unbounded));
  const auto has_length = min != 0 || max != unbounded;
  auto pattern = std::string{};
  if (has(schema, "pattern")) {
    if (!schema["pattern"].is_string())
      return fail(errc::usage, "pattern is no string");
    if (has_length)
      return fail(errc::unsupported, "pattern beside minLength or maxLength");
    pattern = schema["pattern"].get<std::string>();
  } else if (has(schema, "format") && schema["format"].is_string() && !has_length) {
    pattern = pattern_of_format(schema["format"].get_ref<const std::string&>());
  }
  if (!has(schema, "pattern") && pattern.empty())
    return min <= max ? forms.string(min, max, forms.net().end()) : forms.net().step();
  return forms.matching_string(pattern, forms.net().end());
}

result<node_id> add_number_schema(value_forms& forms, const ordered_json& schema, bool integer) {
  auto range = number_range{integer, {}, {}};
  const auto bound = [&](const char* key, bool inclusive, bool low) -> result<void> {
    if (!has(schema, key))
      return {};
    if (!schema[key].is_number())
      return fail(errc::usage, "{} is no number", key);
    const auto value = schema[key].get<double>();
    auto& mine = low ? range.low : range.high;
    const auto tighter = !mine || (low ? value > mine->value : value < mine->value) ||
                         (value == mine->value && !inclusive);
    if (tighter)
      mine = number_bound{value, inclusive};
    return {};
  };
  LARQL_TRY_VOID(bound("minimum", true, true));
  LARQL_TRY_VOID(bound("exclusiveMinimum", false, true));
  LARQL_TRY_VOID(bound("maximum", true, false));
  LARQL_TRY_VOID(bound("exclusiveMaximum", false, false));
  if (has(schema, "multipleOf") && !(integer && schema["multipleOf"] == 1))
    return fail(errc::unsupported, "keyword \"multipleOf\" is not supported");
  return add_number(forms.net(), range, forms.net().end());
}

result<node_id> add_named_values(value_forms& forms, const ordered_json& schema) {
  for (const auto& [key, value] : schema.items())
    if (key != "enum" && key != "const" && key != "type" && !is_annotation(key))
      return fail(errc::unsupported, "keyword {} beside enum or const is not supported",
                  text::in_quotes(key));
  auto all = std::vector<ordered_json>{};
  if (has(schema, "enum")) {
    if (!schema["enum"].is_array())
      return fail(errc::usage, "enum is no list");
    if (schema["enum"].size() > max_enum)
      return fail(errc::unsupported, "an enum of {} values, expected at most {}",
                  schema["enum"].size(), max_enum);
    all = schema["enum"].get<std::vector<ordered_json>>();
    if (has(schema, "const"))
      std::erase_if(all, [&](const auto& value) { return value != schema["const"]; });
  } else {
    all.push_back(schema["const"]);
  }
  const auto types = has(schema, "type") ? types_of(schema) : std::vector<std::string>{};
  std::erase_if(all, [&](const auto& value) { return !is_of_type(value, types); });
  return forms.literals(all, forms.net().end());
}

} // namespace larql::grammar
