// What a program says: its results on standard output, all else on standard error.
//
// Names come from peers and files, so every text among the arguments of print() and say() is made
// one line of harmless characters (base/one_line.hpp); line ends of the format itself stay.
//
// Errors    A result that cannot be written ends the process at once: a reader that has gone
//           (EPIPE) silently with 141, as if by SIGPIPE, anything else with 1 and a line on
//           standard error. Standard error itself may fail: nothing comes of it.
// Threads   Lines from different threads do not mix.

#pragma once

#include "runtime/base/one_line.hpp"
#include "runtime/base/result.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <type_traits>

namespace larql::cli {

/// In front of every message: "larql" or "larql-node". Each program defines its own.
[[nodiscard]] std::string_view program_name() noexcept;

/// Gives the descriptors 0 to 2 to /dev/null where they are closed, so that no file that is opened
/// later gets one of these numbers and messages as its content. Reading from such a descriptor
/// finds the end, writing to it fails. The first call of main.
void keep_standard_descriptors() noexcept;

// ---- standard output ----------------------------------------------------------------------------

/// Writes a result as it is, all of it, at once.
void print_text(std::string_view text);

/// The same for what a program can do without: the process goes on if it fails.
[[nodiscard]] result<void> write_output(std::string_view text);

// ---- standard error -----------------------------------------------------------------------------

/// Writes the text as it is, with a line of its own if an answer is being written on this terminal.
void say_text(std::string_view text) noexcept;

/// The same at once, also while messages wait: for whoever holds them.
void draw_text(std::string_view text) noexcept;

/// While one lives, messages wait: somebody types a line on this terminal, or an answer is written
/// there, and a message in the middle would break it. take() gives those that came, to be shown
/// where there is room; what is left is said at the end. Only so much is kept that a program that
/// nobody looks at does not grow.
///
/// Owner     One at a time.
class held_messages {
public:
  held_messages() noexcept;
  ~held_messages();
  held_messages(const held_messages&) = delete;
  held_messages& operator=(const held_messages&) = delete;

  /// The messages that came since the last call, with their line ends.
  [[nodiscard]] std::string take();
};

/// A line of the log as a message: "larql: cluster: text".
void say_log(std::string_view component, std::string_view text);

// ---- formatted ----------------------------------------------------------------------------------

namespace detail {

template <class T>
decltype(auto) harmless(const T& argument) {
  if constexpr (std::is_convertible_v<const T&, std::string_view>)
    return one_line(argument);
  else
    return (argument);
}

template <class... Args>
std::string format_harmless(fmt::string_view format, const Args&... args) {
  return [&](const auto&... a) {
    return fmt::vformat(format, fmt::make_format_args(a...));
  }(harmless(args)...);
}

} // namespace detail

/// A part of the result.
template <class... Args>
void print(fmt::format_string<Args...> format, const Args&... args) {
  print_text(detail::format_harmless(format, args...));
}

/// A message to people: "larql: ...", and the end of the line.
template <class... Args>
void say(fmt::format_string<Args...> format, const Args&... args) {
  say_text(fmt::format("{}: {}\n", program_name(), detail::format_harmless(format, args...)));
}

/// The same for a whole text: what functions below this layer take to be told with.
inline void say_line(const std::string& text) {
  say("{}", text);
}

/// Lines of a report on standard error, which have no name in front.
template <class... Args>
void report_line(fmt::format_string<Args...> format, const Args&... args) {
  say_text(detail::format_harmless(format, args...) + '\n');
}

} // namespace larql::cli
