#include "runtime/base/json.hpp"

#include "runtime/base/mapped_file.hpp"

#include <algorithm>
#include <vector>

namespace larql {

namespace {

// Depth is limited because nlohmann's destructor and our walks recurse.
constexpr auto max_depth = 64;
// An object that keeps its order looks through all fields for every new one.
constexpr std::size_t max_ordered_fields = 5000;

// "[json.exception.parse_error.101] parse error at …": without the library's name for it.
std::string_view without_id(std::string_view text) {
  const auto end = text.starts_with('[') ? text.find("] ") : std::string_view::npos;
  return end == std::string_view::npos ? text : text.substr(end + 2);
}

// `goes_on` sees every event, and may end the reading.
template <class Json, class GoesOn>
result<Json> parse(std::string_view text, std::string_view name, GoesOn&& goes_on) {
  try {
    auto too_deep = false;
    auto parsed = Json::parse(text, [&](int depth, typename Json::parse_event_t event, Json&) {
      too_deep = too_deep || depth > max_depth;
      return !too_deep && goes_on(depth, event);
    });
    if (too_deep)
      return fail(errc::corrupt, "{}: nested deeper than {} levels", name, max_depth);
    return parsed;
  } catch (const typename Json::exception& e) {
    return fail(errc::corrupt, "{}: not valid JSON: {}", name, without_id(e.what()));
  }
}

} // namespace

result<json> parse_json(std::string_view text, std::string_view name) {
  return parse<json>(text, name, [](int, json::parse_event_t) { return true; });
}

result<ordered_json> parse_ordered_json(std::string_view text, std::string_view name) {
  // Fields of the objects that are open, counted by their depth.
  auto fields = std::vector<std::size_t>{};
  auto too_many = false;
  auto out = parse<ordered_json>(text, name, [&](int depth, ordered_json::parse_event_t event) {
    const auto level = static_cast<std::size_t>(depth);
    if (event == ordered_json::parse_event_t::object_start) {
      fields.resize(std::max(fields.size(), level + 2));
      fields[level + 1] = 0;
    } else if (event == ordered_json::parse_event_t::key && level < fields.size()) {
      too_many = too_many || ++fields[level] > max_ordered_fields;
    }
    return !too_many;
  });
  if (too_many)
    return fail(errc::corrupt, "{}: an object of more than {} fields", name, max_ordered_fields);
  return out;
}

result<json> parse_json_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  LARQL_TRY(const auto text, read_text_file(path, max_bytes));
  return parse_json(text, path.string());
}

result<const json*> json_fields::field(const char* key) const {
  if (!object_.is_object())
    return fail(errc::corrupt, "{}: expected a JSON object, found {}", where_, object_.type_name());
  const auto it = object_.find(key);
  if (it == object_.end() || it->is_null())
    return fail(errc::corrupt, "{}: field \"{}\" is missing", where_, key);
  return &*it;
}

failure json_fields::wrong_type(const char* key, const char* expected) const {
  auto found = object_.at(key).dump(-1, ' ', false, json::error_handler_t::replace);
  if (found.size() > 60)
    found = found.substr(0, 60) + "…";
  return fail(errc::corrupt, "{}: field \"{}\" is {}, expected {}", where_, key, found, expected);
}

result<std::uint64_t> json_fields::unsigned_integer(const char* key, std::uint64_t max) const {
  LARQL_TRY(const json* value, field(key));
  if (!value->is_number_unsigned())
    return wrong_type(key, "a non-negative integer");
  const auto n = value->get<std::uint64_t>();
  if (n > max)
    return fail(errc::corrupt, "{}: field \"{}\" is {}, expected at most {}", where_, key, n, max);
  return n;
}

result<double> json_fields::number(const char* key) const {
  LARQL_TRY(const json* value, field(key));
  if (!value->is_number())
    return wrong_type(key, "a number");
  return value->get<double>();
}

result<bool> json_fields::boolean(const char* key) const {
  LARQL_TRY(const json* value, field(key));
  if (!value->is_boolean())
    return wrong_type(key, "true or false");
  return value->get<bool>();
}

result<std::string> json_fields::string(const char* key) const {
  LARQL_TRY(const json* value, field(key));
  if (!value->is_string())
    return wrong_type(key, "a string");
  return value->get<std::string>();
}

result<const json*> json_fields::array(const char* key) const {
  LARQL_TRY(const json* value, field(key));
  if (!value->is_array())
    return wrong_type(key, "an array");
  return value;
}

result<const json*> json_fields::object(const char* key) const {
  LARQL_TRY(const json* value, field(key));
  if (!value->is_object())
    return wrong_type(key, "an object");
  return value;
}

result<void> json_fields::require_version(std::uint64_t expected) const {
  LARQL_TRY(const auto found, unsigned_integer("version", UINT32_MAX));
  if (found != expected)
    return fail(errc::unsupported, "{}: field \"version\" is {}, expected {}", where_, found,
                expected);
  return {};
}

} // namespace larql
