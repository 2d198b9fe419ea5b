// White space at both ends, as the chat templates take it away.

#pragma once

#include <string_view>

namespace larql::text {

/// Without what Python's str.strip(), and with it the template's trim, take away.
[[nodiscard]] std::string_view trim(std::string_view text);

} // namespace larql::text
