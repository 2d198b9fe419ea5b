#include "runtime/base/log.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <optional>
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

// Of the process, as standard error is.
std::atomic<log_level> lowest_level{log_level::info};
std::atomic<log_writer> other_writer{nullptr};

std::optional<log_level> level_of_environment() {
  const auto* wanted = std::getenv("LARQL_LOG");
  for (const auto level : {log_level::info, log_level::warning, log_level::error})
    if (wanted != nullptr && wanted == name_of(level))
      return level;
  return std::nullopt;
}

} // namespace

void set_log_level(log_level lowest) noexcept {
  lowest_level = lowest;
}

void set_log_writer(log_writer writer) noexcept {
  other_writer = writer;
}

void write_log(log_level level, std::string_view component, std::string_view text) {
  static const auto wanted = level_of_environment();
  if (level < wanted.value_or(lowest_level))
    return;
  if (const auto writer = other_writer.load())
    return writer(component, text);
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

void write_log(log_level level, std::string_view component, fmt::string_view format,
               fmt::format_args args) noexcept {
  try {
    write_log(level, component, std::string_view{fmt::vformat(format, args)});
  } catch (const std::exception&) { // a line is written when memory is short, too
    constexpr auto line = std::string_view{"a line of the log is lost: out of memory\n"};
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  }
}

} // namespace larql
