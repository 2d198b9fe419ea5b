// Amounts of memory as people write them.
//
// Threads   Pure function.

#pragma once

#include "runtime/base/result.hpp"

#include <cstdint>
#include <string_view>

namespace larql::cli {

/// "6GB", "500MB", "1073741824": bytes, with decimal units. `what` names the option in errors.
[[nodiscard]] result<std::uint64_t> parse_bytes(std::string_view text, std::string_view what);

} // namespace larql::cli
