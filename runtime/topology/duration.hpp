// Durations as people write them in configuration: "250ms", "5s", "2m", "1h".

#pragma once

#include "runtime/base/result.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace larql::topology {

/// A whole number and a unit. The error says what was expected; the caller adds where.
[[nodiscard]] result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The shortest text that parse_duration() reads back: "90s" is "90s", "120s" is "2m".
[[nodiscard]] std::string to_text(std::chrono::milliseconds duration);

} // namespace larql::topology
