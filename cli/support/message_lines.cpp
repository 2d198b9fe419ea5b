#include "cli/support/message_lines.hpp"

#include <utility>

namespace larql::cli {

namespace {

constexpr std::string_view quotes = R"(""")";

} // namespace

std::optional<typed_message> message_lines::take() {
  open_ = false;
  return std::exchange(message_, {});
}

std::optional<typed_message> message_lines::add(std::string_view line) {
  if (!open_ && line.starts_with(quotes)) {
    message_.quoted = true;
    line.remove_prefix(quotes.size());
  }
  const auto is_first = !std::exchange(open_, true);
  if (message_.quoted) {
    const auto ends = line.ends_with(quotes);
    if (ends)
      line.remove_suffix(quotes.size());
    // The lines with the quotes count as far as there is text beside them.
    const auto is_beside = (is_first || ends) && line.empty();
    if (!message_.text.empty() && !is_beside)
      message_.text += '\n';
    message_.text += line;
    return ends ? take() : std::nullopt;
  }
  const auto goes_on = line.ends_with('\\');
  if (goes_on)
    line.remove_suffix(1);
  message_.text += line;
  if (!goes_on)
    return take();
  message_.text += '\n';
  return std::nullopt;
}

std::optional<typed_message> message_lines::finish() {
  return open_ ? take() : std::nullopt;
}

} // namespace larql::cli
