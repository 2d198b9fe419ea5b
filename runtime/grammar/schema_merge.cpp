#include "runtime/grammar/schema_merge.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace larql::grammar {

namespace {

bool is_one_of(std::string_view word, std::span<const std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

using names = std::vector<std::string>;

names strings_of(const ordered_json& value) {
  auto out = names{};
  if (value.is_string())
    out.push_back(value.get<std::string>());
  else if (value.is_array())
    for (const auto& item : value)
      if (item.is_string())
        out.push_back(item.get<std::string>());
  return out;
}

bool contains(const names& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// Whether a value of type `a` may be one of type `b`.
bool is_type(const std::string& a, const std::string& b) {
  return a == b || (a == "integer" && b == "number");
}

result<ordered_json> merge_types(const ordered_json& a, const ordered_json& b) {
  auto out = ordered_json::array();
  for (const auto& x : strings_of(a))
    for (const auto& y : strings_of(b))
      if (is_type(x, y))
        out.push_back(x);
      else if (is_type(y, x))
        out.push_back(y);
  return out; // none: no value
}

result<ordered_json> merge_properties(const ordered_json& a, const ordered_json& b) {
  auto out = a;
  for (const auto& [name, schema] : b.items()) {
    if (!out.contains(name) || out[name] == schema) {
      out[name] = schema;
      continue;
    }
    if (!out[name].is_object() || !schema.is_object() || out[name].contains("$ref") ||
        schema.contains("$ref"))
      return fail(errc::unsupported, "two parts that both say something about \"{}\"", name);
    LARQL_TRY(out[name], merge_schemas(out[name], schema));
  }
  return out;
}

ordered_json merge_required(const ordered_json& a, const ordered_json& b) {
  auto out = strings_of(a);
  const auto known = std::set<std::string>{out.begin(), out.end()};
  for (const auto& name : strings_of(b))
    if (!known.contains(name))
      out.push_back(name);
  return out;
}

bool closes(const ordered_json& schema) {
  const auto it = schema.find("additionalProperties");
  return it != schema.end() && it->is_boolean() && !it->get<bool>();
}

// Whether `closed` forbids a field that `other` speaks of.
bool forbids(const ordered_json& closed, const ordered_json& other) {
  if (!closes(closed) || !other.contains("properties") || !other["properties"].is_object())
    return false;
  const auto& own = closed.contains("properties") ? closed["properties"] : ordered_json::object();
  return std::any_of(other["properties"].items().begin(), other["properties"].items().end(),
                     [&](const auto& field) { return !own.contains(field.key()); });
}

constexpr std::array<std::string_view, 5> lower_bounds = {"minimum", "exclusiveMinimum",
                                                          "minLength", "minItems", "minProperties"};
constexpr std::array<std::string_view, 5> upper_bounds = {"maximum", "exclusiveMaximum",
                                                          "maxLength", "maxItems", "maxProperties"};

} // namespace

bool is_annotation(std::string_view keyword) {
  static constexpr std::array<std::string_view, 16> annotations = {
      "title",        "description", "default",     "examples",        "example",
      "deprecated",   "readOnly",    "writeOnly",   "$schema",         "$id",
      "$comment",     "$defs",       "definitions", "contentEncoding", "contentMediaType",
      "discriminator"};
  return is_one_of(keyword, annotations) || keyword.starts_with("x-");
}

result<ordered_json> merge_schemas(const ordered_json& a, const ordered_json& b) {
  if (forbids(a, b) || forbids(b, a))
    return fail(errc::unsupported,
                "additionalProperties false beside a part with other properties");
  auto out = a;
  for (const auto& [key, value] : b.items()) {
    if (!out.contains(key)) {
      out[key] = value;
      continue;
    }
    auto& mine = out[key];
    if (is_annotation(key) || mine == value)
      continue;
    const auto numbers = mine.is_number() && value.is_number();
    if (key == "type") {
      LARQL_TRY(mine, merge_types(mine, value));
    } else if (key == "properties" && mine.is_object() && value.is_object()) {
      LARQL_TRY(mine, merge_properties(mine, value));
    } else if (key == "required") {
      mine = merge_required(mine, value);
    } else if (numbers && is_one_of(key, lower_bounds)) {
      mine = std::max(mine, value);
    } else if (numbers && is_one_of(key, upper_bounds)) {
      mine = std::min(mine, value);
    } else if (key == "additionalProperties" && (closes(a) || closes(b))) {
      mine = false;
    } else {
      return fail(errc::unsupported, "two parts that both have the keyword \"{}\"", key);
    }
  }
  return out;
}

std::vector<std::string> types_of(const ordered_json& schema) {
  static constexpr std::array<std::string_view, 3> of_objects = {"properties", "required",
                                                                 "additionalProperties"};
  static constexpr std::array<std::string_view, 4> of_arrays = {"items", "prefixItems", "minItems",
                                                                "maxItems"};
  static constexpr std::array<std::string_view, 4> of_strings = {"minLength", "maxLength",
                                                                 "pattern", "format"};
  static constexpr std::array<std::string_view, 5> of_numbers = {
      "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"};
  if (schema.contains("type"))
    return strings_of(schema["type"]);
  const auto has = [&](std::span<const std::string_view> keywords) {
    return std::any_of(keywords.begin(), keywords.end(),
                       [&](std::string_view k) { return schema.contains(std::string{k}); });
  };
  if (has(of_objects))
    return {"object"};
  if (has(of_arrays))
    return {"array"};
  if (has(of_strings))
    return {"string"};
  if (has(of_numbers))
    return {"number"};
  return {};
}

namespace {

// The values that a schema names, if it does.
std::vector<ordered_json> named_values(const ordered_json& schema) {
  auto out = std::vector<ordered_json>{};
  if (schema.contains("const"))
    out.push_back(schema["const"]);
  else if (schema.contains("enum") && schema["enum"].is_array())
    for (const auto& value : schema["enum"])
      out.push_back(value);
  return out;
}

bool values_differ(const ordered_json& a, const ordered_json& b) {
  const auto x = named_values(a), y = named_values(b);
  constexpr std::size_t most = 1000; // comparisons
  return !x.empty() && !y.empty() && x.size() * y.size() <= most &&
         std::none_of(x.begin(), x.end(), [&](const auto& value) {
           return std::find(y.begin(), y.end(), value) != y.end();
         });
}

std::vector<std::string> all_types_of(const ordered_json& schema) {
  auto out = names{};
  for (const auto& value : named_values(schema))
    out.emplace_back(value.is_number_integer() ? "integer"
                     : value.is_number()       ? "number"
                     : value.is_boolean()      ? "boolean"
                                               : value.type_name());
  if (out.empty())
    out = types_of(schema);
  return out;
}

} // namespace

bool exclude_each_other(const ordered_json& a, const ordered_json& b) {
  if (values_differ(a, b))
    return true;
  const auto x = all_types_of(a), y = all_types_of(b);
  const auto common =
      x.empty() || y.empty() || std::any_of(x.begin(), x.end(), [&](const std::string& t) {
        return std::any_of(y.begin(), y.end(),
                           [&](const std::string& u) { return is_type(t, u) || is_type(u, t); });
      });
  if (!common)
    return true;
  if (x != names{"object"} || y != names{"object"} || !a.contains("properties") ||
      !b.contains("properties"))
    return false;
  const auto required = strings_of(b.value("required", ordered_json::array()));
  for (const auto& name : strings_of(a.value("required", ordered_json::array()))) {
    const auto& p = a["properties"];
    const auto& q = b["properties"];
    if (contains(required, name) && p.contains(name) && q.contains(name) && p[name].is_object() &&
        q[name].is_object() && values_differ(p[name], q[name]))
      return true;
  }
  return false;
}

} // namespace larql::grammar
