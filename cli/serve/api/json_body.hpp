// JSON of requests and answers: objects keep the order of their fields, which matters where a
// schema tells a model what to write first.
//
// Errors    Text that is no JSON, that nests too deeply, or whose objects have so many fields that
//           reading them would keep a thread busy.
// Threads   Pure functions.

#pragma once

#include "runtime/base/json.hpp"

#include <string>
#include <string_view>

namespace larql::serve {

/// Parses a request's body. The text of an error says what is wrong and where.
[[nodiscard]] result<ordered_json> parse_body(std::string_view text);

/// One line. Bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string to_text(const ordered_json& value);

} // namespace larql::serve
