// One line per event on stderr: time, level, component, text. For the daemon and for warnings;
// results of commands go to stdout without it.
//
// Threads   Lines from different threads do not mix.
// Errors    None: a line for which there is no memory becomes a short one that says so.

#pragma once

#include "runtime/base/one_line.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace larql {

enum class log_level { info, warning, error };

/// Lines below this level are not written; info at first. LARQL_LOG=info|warning|error, where it is
/// set, says it for good.
void set_log_level(log_level lowest) noexcept;

/// Takes the place of the lines below: for a program that talks with people. Called by any thread.
using log_writer = void (*)(std::string_view component, std::string_view text);
void set_log_writer(log_writer writer) noexcept;

/// Writes one line: "2026-11-23T10:00:00.123Z info node: text".
void write_log(log_level level, std::string_view component, std::string_view text);

/// The same from the parts of the text. For the functions below.
void write_log(log_level level, std::string_view component, fmt::string_view format,
               fmt::format_args args) noexcept;

template <class... Args>
void log_info(std::string_view component, fmt::format_string<Args...> f, Args&&... args) {
  write_log(log_level::info, component, f, fmt::make_format_args(args...));
}
template <class... Args>
void log_warning(std::string_view component, fmt::format_string<Args...> f, Args&&... args) {
  write_log(log_level::warning, component, f, fmt::make_format_args(args...));
}
template <class... Args>
void log_error(std::string_view component, fmt::format_string<Args...> f, Args&&... args) {
  write_log(log_level::error, component, f, fmt::make_format_args(args...));
}

} // namespace larql
