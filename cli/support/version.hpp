// What --version prints.

#pragma once

#include <string>

namespace larql::cli {

/// "larql 0.1.0 (protocol 1, AVX-512)"
[[nodiscard]] std::string version_text();

/// What servers of the web get to see: "larql/0.1.0".
[[nodiscard]] std::string user_agent();
/// "0.1.0"
[[nodiscard]] std::string version_number();

} // namespace larql::cli
