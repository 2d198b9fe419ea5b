// Reads the fields of a request's JSON objects. The first thing that is wrong is kept, with the
// path of its field; reading goes on harmlessly, and whoever reads asks once at the end.
//
//     auto wrong = first_error{};
//     auto fields = field_reader{body, "", wrong};
//     fields.number("temperature", 0, 2, out.temperature);
//     if (wrong)
//       return *std::move(wrong);
//
// A field that is null counts as absent: clients send null for what they do not set.
//
// Owner     Refers to the object and to the error.
// Threads   One.

#pragma once

#include "cli/serve/api/api_error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larql::serve {

using first_error = std::optional<api_error>;

class field_reader {
public:
  /// `path` names the object itself in messages: "", "options", "messages[3]".
  field_reader(const ordered_json& object, std::string path, first_error& error);

  [[nodiscard]] bool has(const char* key) const { return find(key) != nullptr; }
  /// Null if it is absent or null.
  [[nodiscard]] const ordered_json* find(const char* key) const;
  /// "messages[3].content"
  [[nodiscard]] std::string path_of(std::string_view key) const;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  // Each returns whether there was such a field with a right value; `out` is left alone otherwise.
  bool text(const char* key, std::string& out);
  bool boolean(const char* key, bool& out);
  bool number(const char* key, double min, double max, double& out);
  bool number(const char* key, double min, double max, std::optional<float>& out);
  bool integer(const char* key, std::int64_t min, std::int64_t max, std::int64_t& out);
  bool integer(const char* key, std::int64_t min, std::int64_t max,
               std::optional<std::uint32_t>& out);
  bool integer(const char* key, std::int64_t min, std::int64_t max, std::uint32_t& out);

  /// The array or object; null if it is absent or something else, which is an error.
  [[nodiscard]] const ordered_json* array(const char* key);
  [[nodiscard]] const ordered_json* object(const char* key);

  /// A reader of an object inside this one.
  [[nodiscard]] field_reader inside(const ordered_json& object, std::string_view key) const {
    return {object, path_of(key), error_};
  }
  /// A reader of an element of the array with that key.
  [[nodiscard]] field_reader element(const ordered_json& object, std::string_view key,
                                     std::size_t index) const {
    return {object, fmt::format("{}[{}]", path_of(key), index), error_};
  }

  /// The field is known and this server does not do it: an error that names it, if the field is
  /// there and not one of the values that change nothing.
  void refuse(const char* key, std::string_view why,
              const std::vector<ordered_json>& harmless = {});

  /// Something else is wrong with a field.
  void wrong(std::string_view key, std::string message, error_kind kind = error_kind::invalid);

  [[nodiscard]] bool failed() const noexcept { return error_.has_value(); }
  [[nodiscard]] first_error& error() const noexcept { return error_; }

private:
  void wrong_type(const char* key, const ordered_json& found, std::string_view expected);
  [[nodiscard]] std::optional<double> read_number(const char* key, double min, double max);

  const ordered_json& object_;
  std::string path_;
  first_error& error_;
};

/// A value in few characters, for messages.
[[nodiscard]] std::string brief(const ordered_json& value);

} // namespace larql::serve
