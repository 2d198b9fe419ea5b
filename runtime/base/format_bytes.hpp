// Numbers of bytes for people.
//
// Threads   Pure function.

#pragma once

#include <cstdint>
#include <string>

namespace larql {

/// "1.5 GB", in units of 1000.
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

} // namespace larql
