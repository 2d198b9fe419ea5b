#include "runtime/text/trim.hpp"

#include "runtime/text/utf8.hpp"

namespace larql::text {

namespace {

bool is_trimmed(const utf8_unit& unit) {
  return unit.what == utf8_unit::kind::scalar &&
         (is_white_space(unit.scalar) || (unit.scalar >= 0x1c && unit.scalar <= 0x1f));
}

} // namespace

std::string_view trim(std::string_view text) {
  while (!text.empty()) {
    const auto unit = next_utf8(text);
    if (!is_trimmed(unit))
      break;
    text.remove_prefix(unit.length);
  }
  auto end = std::size_t{0}; // of what is kept
  for (auto at = std::size_t{0}; at < text.size();) {
    const auto unit = next_utf8(text.substr(at));
    at += unit.length;
    if (!is_trimmed(unit))
      end = at;
  }
  return text.substr(0, end);
}

} // namespace larql::text
