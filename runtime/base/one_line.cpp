#include "runtime/base/one_line.hpp"

namespace larql {

namespace {

struct decoded {
  char32_t character = 0;
  std::size_t bytes = 0; ///< 0: the text does not begin with a character of UTF-8
};

decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto first = byte(0);
  if (first < 0x80)
    return {first, 1};
  const auto size = first >= 0xc2 && first <= 0xdf   ? 2u
                    : first >= 0xe0 && first <= 0xef ? 3u
                    : first >= 0xf0 && first <= 0xf4 ? 4u
                                                     : 0u;
  if (size == 0 || text.size() < size)
    return {};
  auto c = static_cast<char32_t>(first & (0x7fu >> size));
  for (auto i = 1u; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80)
      return {};
    c = c << 6 | (byte(i) & 0x3fu);
  }
  const auto least = size == 2 ? 0x80u : size == 3 ? 0x800u : 0x10000u;
  const auto is_surrogate = c >= 0xd800 && c <= 0xdfff;
  return c < least || c > 0x10ffff || is_surrogate ? decoded{} : decoded{c, size};
}

} // namespace

std::string one_line(std::string_view text) {
  auto out = std::string{};
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [c, bytes] = decode(text);
    if (bytes == 0)
      out += '?';
    else if (is_control_character(c) || is_direction_character(c) || is_line_separator(c))
      out += ' ';
    else
      out += text.substr(0, bytes);
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return out;
}

} // namespace larql
