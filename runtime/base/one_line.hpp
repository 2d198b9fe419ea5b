// Which characters of a peer's, a file's or a model's text must not reach a terminal: the one rule.
// Names and errors become one line by it; text of a model keeps more (text/terminal_text.hpp).

#pragma once

#include <string>
#include <string_view>

namespace larql {

/// C0 controls, DEL and C1 controls: what moves the cursor, rings, or begins an escape sequence.
[[nodiscard]] constexpr bool is_control_character(char32_t c) noexcept {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

/// Marks, embeddings, overrides and isolates of the reading direction. A text may need them; the
/// text around a name must not be turned by it.
[[nodiscard]] constexpr bool is_direction_character(char32_t c) noexcept {
  return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069);
}

/// LINE SEPARATOR and PARAGRAPH SEPARATOR.
[[nodiscard]] constexpr bool is_line_separator(char32_t c) noexcept {
  return c == 0x2028 || c == 0x2029;
}

/// A text for people in one line: each control character, direction character and line separator
/// becomes a blank, each byte that is no UTF-8 a question mark.
[[nodiscard]] std::string one_line(std::string_view text);

} // namespace larql
