#include "runtime/text/terminal_text.hpp"

#include "runtime/base/one_line.hpp"
#include "runtime/text/utf8.hpp"

#include <algorithm>

namespace larql::text {

namespace {

constexpr char32_t pop_formatting = 0x202c; // closes embeddings and overrides
constexpr char32_t pop_isolate = 0x2069;
// Deeper nesting than any text needs; an opening beyond it is removed.
constexpr std::size_t most_open = 32;

// The character that closes an opening one; 0 for any other.
char32_t closing_of(char32_t c) {
  if (c == 0x202a || c == 0x202b || c == 0x202d || c == 0x202e)
    return pop_formatting;
  if (c >= 0x2066 && c <= 0x2068)
    return pop_isolate;
  return 0;
}

std::string_view encoded(char32_t closing) {
  return closing == pop_formatting ? "\xe2\x80\xac" : "\xe2\x81\xa9";
}

} // namespace

// A closing of an isolate closes the embeddings that were opened in it as well.
void terminal_text::close(char32_t closing, std::string& out) {
  const auto it = std::find(open_.rbegin(), open_.rend(), closing);
  if (it == open_.rend() || (closing == pop_formatting && it != open_.rbegin()))
    return; // it closes nothing
  const auto keep = static_cast<std::size_t>(open_.rend() - it) - 1;
  while (open_.size() > keep) {
    out += encoded(open_.back());
    open_.pop_back();
  }
}

void terminal_text::close_all(std::string& out) {
  for (; !open_.empty(); open_.pop_back())
    out += encoded(open_.back());
}

std::string terminal_text::append(std::string_view piece) {
  auto out = std::string{};
  while (!piece.empty()) {
    const auto unit = next_utf8(piece);
    const auto bytes = piece.substr(0, unit.length);
    piece.remove_prefix(unit.length);
    const auto c = unit.scalar;
    if (unit.what != utf8_unit::kind::scalar) {
      out += replacement_character;
    } else if (is_control_character(c) && c != '\n' && c != '\t') {
      continue;
    } else if (const auto closing = closing_of(c); closing != 0) {
      if (open_.size() == most_open)
        continue;
      open_.push_back(closing);
      out += bytes;
    } else if (c == pop_formatting || c == pop_isolate) {
      close(c, out);
    } else {
      if (c == '\n' || is_line_separator(c))
        close_all(out);
      out += bytes;
    }
  }
  return out;
}

std::string terminal_text::flush() {
  auto out = std::string{};
  close_all(out);
  return out;
}

} // namespace larql::text
