#include "cli/serve/api/time_text.hpp"

#include <fmt/format.h>

#include <ctime>

namespace larql::serve {

std::string time_text(std::int64_t seconds, std::int64_t milliseconds) {
  const auto t = static_cast<std::time_t>(seconds);
  auto parts = std::tm{};
  ::gmtime_r(&t, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     milliseconds);
}

} // namespace larql::serve
