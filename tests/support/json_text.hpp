// JSON from text, to text and in the messages of failed comparisons, each compiled once: nlohmann's
// parser, its writer and GoogleTest's way to print such a value take the compiler a second each in
// every file that uses them.

#pragma once

#include "runtime/base/json.hpp"

#include <iosfwd>
#include <string>
#include <string_view>

namespace larql::test {

/// Throws nlohmann's error, which fails the test, if the text is no JSON.
[[nodiscard]] json parse_json_text(std::string_view text);

/// In one line, or with `indent` blanks a level.
[[nodiscard]] std::string json_text(const json& value, int indent = -1);

} // namespace larql::test

namespace nlohmann {

/// For GoogleTest.
void PrintTo(const json& value, std::ostream* out);

} // namespace nlohmann
