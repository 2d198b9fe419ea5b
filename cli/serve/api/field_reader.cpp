#include "cli/serve/api/field_reader.hpp"

#include <algorithm>
#include <cmath>

namespace larql::serve {

std::string brief(const ordered_json& value) {
  constexpr auto most = std::size_t{60};
  if (value.is_structured() && value.size() > 3)
    return value.is_array() ? "an array" : "an object";
  auto out = to_text(value);
  if (out.size() <= most)
    return out;
  auto end = most;
  while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xc0u) == 0x80u)
    --end; // not inside a character
  return out.substr(0, end) + "…";
}

field_reader::field_reader(const ordered_json& object, std::string path, first_error& error)
    : object_(object), path_(std::move(path)), error_(error) {
  if (!object_.is_object() && !error_)
    error_ = api_error{error_kind::invalid,
                       fmt::format("expected an object, found {}", brief(object_)), path_};
}

const ordered_json* field_reader::find(const char* key) const {
  if (!object_.is_object())
    return nullptr;
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

std::string field_reader::path_of(std::string_view key) const {
  return path_.empty() ? std::string{key} : fmt::format("{}.{}", path_, key);
}

void field_reader::wrong(std::string_view key, std::string message, error_kind kind) {
  if (!error_)
    error_ = api_error{kind, std::move(message), path_of(key)};
}

void field_reader::wrong_type(const char* key, const ordered_json& found,
                              std::string_view expected) {
  wrong(key, fmt::format("expected {}, found {}", expected, brief(found)));
}

void field_reader::refuse(const char* key, std::string_view why,
                          const std::vector<ordered_json>& harmless) {
  const auto* value = find(key);
  if (value != nullptr && std::find(harmless.begin(), harmless.end(), *value) == harmless.end())
    wrong(key, fmt::format("\"{}\" is not supported: {}", key, why), error_kind::unsupported);
}

bool field_reader::text(const char* key, std::string& out) {
  const auto* value = find(key);
  if (value == nullptr)
    return false;
  if (!value->is_string()) {
    wrong_type(key, *value, "a string");
    return false;
  }
  out = value->get_ref<const std::string&>();
  return true;
}

bool field_reader::boolean(const char* key, bool& out) {
  const auto* value = find(key);
  if (value == nullptr)
    return false;
  if (!value->is_boolean()) {
    wrong_type(key, *value, "true or false");
    return false;
  }
  out = value->get<bool>();
  return true;
}

std::optional<double> field_reader::read_number(const char* key, double min, double max) {
  const auto* value = find(key);
  if (value == nullptr)
    return std::nullopt;
  if (!value->is_number()) {
    wrong_type(key, *value, "a number");
    return std::nullopt;
  }
  const auto x = value->get<double>();
  if (!(x >= min && x <= max)) {
    wrong(key, fmt::format("is {}, expected a number from {} to {}", brief(*value), min, max));
    return std::nullopt;
  }
  return x;
}

bool field_reader::number(const char* key, double min, double max, double& out) {
  const auto x = read_number(key, min, max);
  if (x)
    out = *x;
  return x.has_value();
}

bool field_reader::number(const char* key, double min, double max, std::optional<float>& out) {
  const auto x = read_number(key, min, max);
  if (x)
    out = static_cast<float>(*x);
  return x.has_value();
}

bool field_reader::integer(const char* key, std::int64_t min, std::int64_t max, std::int64_t& out) {
  const auto* value = find(key);
  if (value == nullptr)
    return false;
  const auto out_of_range = [&] {
    wrong(key, fmt::format("is {}, expected an integer from {} to {}", brief(*value), min, max));
    return false;
  };
  auto n = std::int64_t{0};
  if (value->is_number_unsigned()) {
    const auto u = value->get<std::uint64_t>();
    if (u > static_cast<std::uint64_t>(INT64_MAX))
      return out_of_range();
    n = static_cast<std::int64_t>(u);
  } else if (value->is_number_integer()) {
    n = value->get<std::int64_t>();
  } else if (value->is_number_float() && std::trunc(value->get<double>()) == value->get<double>() &&
             std::abs(value->get<double>()) < 9e15) {
    n = static_cast<std::int64_t>(value->get<double>()); // "100.0", as some clients write it
  } else {
    wrong_type(key, *value, "an integer");
    return false;
  }
  if (n < min || n > max)
    return out_of_range();
  out = n;
  return true;
}

bool field_reader::integer(const char* key, std::int64_t min, std::int64_t max,
                           std::optional<std::uint32_t>& out) {
  auto n = std::int64_t{0};
  if (!integer(key, min, max, n))
    return false;
  out = static_cast<std::uint32_t>(n);
  return true;
}

bool field_reader::integer(const char* key, std::int64_t min, std::int64_t max,
                           std::uint32_t& out) {
  auto n = std::int64_t{0};
  if (!integer(key, min, max, n))
    return false;
  out = static_cast<std::uint32_t>(n);
  return true;
}

const ordered_json* field_reader::array(const char* key) {
  const auto* value = find(key);
  if (value == nullptr || value->is_array())
    return value;
  wrong_type(key, *value, "an array");
  return nullptr;
}

const ordered_json* field_reader::object(const char* key) {
  const auto* value = find(key);
  if (value == nullptr || value->is_object())
    return value;
  wrong_type(key, *value, "an object");
  return nullptr;
}

} // namespace larql::serve
