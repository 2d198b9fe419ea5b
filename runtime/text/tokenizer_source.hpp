// A tokenizer.json being read with simdjson: what can be wrong with its text, and its parts.
//
// simdjson checks as it goes: what was not visited may still be malformed.
//
// Owner     The caller keeps the text, its name and the parser for as long as the source.
// Errors    `corrupt`: the file, the field, what was found and what was expected.
// Threads   One at a time; threads that read one text have a source and a parser each.

#pragma once

#include "runtime/base/json.hpp"
#include "runtime/base/result.hpp"

#include <simdjson.h>
#include <string>
#include <string_view>

namespace larql::text {

struct tokenizer_source {
  const std::string& name; // of the file, in messages
  simdjson::ondemand::document document;

  [[nodiscard]] failure malformed(std::string_view where, simdjson::error_code code) const;
  /// Why a value could not be read as what was expected.
  [[nodiscard]] failure unexpected(std::string_view where, std::string_view expected,
                                   simdjson::ondemand::value found,
                                   simdjson::error_code code) const;
};

/// Calls `visit(key, value)` for every field of an object, until one fails. The keys hold
/// until the document is rewound or its parser reads another.
template <class Visit>
result<void> for_each_field(const tokenizer_source& from, std::string_view where,
                            simdjson::ondemand::object object, Visit&& visit) {
  for (auto field : object) {
    auto key = std::string_view{};
    auto value = simdjson::ondemand::value{};
    if (const auto error = field.unescaped_key().get(key))
      return from.malformed(where, error);
    if (const auto error = field.value().get(value))
      return from.malformed(where, error);
    LARQL_TRY_VOID(visit(key, value));
  }
  return {};
}

/// A small section, as ordinary JSON in `out[key]`. Its name in messages is `where` and `key`.
[[nodiscard]] result<void> read_section(const tokenizer_source& from, std::string_view where,
                                        std::string_view key, simdjson::ondemand::value value,
                                        json& out);

} // namespace larql::text
