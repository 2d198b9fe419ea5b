// JSON of small configuration files. The only place that knows nlohmann's exceptions.
//
// Errors    Parse errors name the file and the byte; accessors name the file and the field.

#pragma once

#include "runtime/base/result.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>

namespace larql {

using json = nlohmann::json;
/// Objects keep the order of their fields.
using ordered_json = nlohmann::ordered_json;

/// Parses a file of at most `max_bytes`.
[[nodiscard]] result<json> parse_json_file(const std::filesystem::path& path,
                                           std::uint64_t max_bytes);

/// Parses text; `name` stands for the file in messages.
[[nodiscard]] result<json> parse_json(std::string_view text, std::string_view name);
/// The same in the order of the text; an object may have 5,000 fields.
[[nodiscard]] result<ordered_json> parse_ordered_json(std::string_view text, std::string_view name);

/// Typed reads of the fields of one JSON object, with errors that name `where` and the field.
class json_fields {
public:
  json_fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  [[nodiscard]] bool has(const char* key) const {
    return object_.is_object() && object_.contains(key) && !object_.at(key).is_null();
  }
  [[nodiscard]] const std::string& where() const noexcept { return where_; }

  [[nodiscard]] result<std::uint64_t> unsigned_integer(const char* key, std::uint64_t max) const;
  [[nodiscard]] result<double> number(const char* key) const;
  [[nodiscard]] result<bool> boolean(const char* key) const;
  [[nodiscard]] result<std::string> string(const char* key) const;
  [[nodiscard]] result<const json*> array(const char* key) const;
  [[nodiscard]] result<const json*> object(const char* key) const;

  /// Field "version", which all our formats have: errc::unsupported if it is another than the one
  /// that this program reads.
  [[nodiscard]] result<void> require_version(std::uint64_t expected) const;

private:
  [[nodiscard]] result<const json*> field(const char* key) const;
  [[nodiscard]] failure wrong_type(const char* key, const char* expected) const;

  const json& object_;
  std::string where_;
};

} // namespace larql
