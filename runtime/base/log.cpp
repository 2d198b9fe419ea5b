#include "runtime/base/log.hpp"

#include <chrono>
#include <ctime>
#include <unistd.h>

namespace larql {

namespace {

std::string_view name_of(log_level level) {
  switch (level) {
  case log_level::info: return "info";
  case log_level::warning: return "warning";
  case log_level::error: return "error";
  }
  return "log";
}

} // namespace

std::string one_line(std::string_view text) {
  auto out = std::string{text};
  for (auto& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      c = ' ';
  return out;
}

void write_log(log_level level, std::string_view component, std::string_view text) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  auto utc = std::tm{};
  ::gmtime_r(&seconds, &utc);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  const auto line = fmt::format("{}.{:03}Z {} {}: {}\n", date, ms % 1000, name_of(level), component,
                                one_line(text));
  // One write call, so that lines of several threads and processes stay whole.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

} // namespace larql
