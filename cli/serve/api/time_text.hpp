// A moment as the APIs write it.
//
// Threads   Pure function.

#pragma once

#include <cstdint>
#include <string>

namespace larql::serve {

/// "2026-11-23T10:00:00.123Z", of seconds since 1970 and the milliseconds behind them.
[[nodiscard]] std::string time_text(std::int64_t seconds, std::int64_t milliseconds);

} // namespace larql::serve
