#include "runtime/text/utf8.hpp"

#include <fmt/format.h>

namespace larql::text {

namespace {

// The bytes that may follow a lead byte: how many, and the range of the first of them. The others
// are 0x80 to 0xBF.
struct continuation {
  unsigned count;
  unsigned char low;
  unsigned char high;
};

continuation after(unsigned char lead) {
  if (lead >= 0xc2 && lead <= 0xdf)
    return {1, 0x80, 0xbf};
  if (lead == 0xe0)
    return {2, 0xa0, 0xbf}; // below: overlong
  if (lead == 0xed)
    return {2, 0x80, 0x9f}; // above: surrogates
  if (lead >= 0xe1 && lead <= 0xef)
    return {2, 0x80, 0xbf};
  if (lead == 0xf0)
    return {3, 0x90, 0xbf}; // below: overlong
  if (lead >= 0xf1 && lead <= 0xf3)
    return {3, 0x80, 0xbf};
  if (lead == 0xf4)
    return {3, 0x80, 0x8f}; // above: beyond U+10FFFF
  return {0, 0, 0};
}

} // namespace

utf8_unit next_utf8(std::string_view text) noexcept {
  using kind = utf8_unit::kind;
  const auto byte = [&](unsigned i) { return static_cast<unsigned char>(text[i]); };
  const auto lead = byte(0);
  if (lead < 0x80)
    return {kind::scalar, 1, lead};
  const auto rest = after(lead);
  if (rest.count == 0)
    return {kind::broken, 1, 0};
  auto scalar = static_cast<char32_t>(lead & (0x3fu >> rest.count));
  for (auto i = 1u; i <= rest.count; ++i) {
    if (i == text.size())
      return {kind::unfinished, i, 0};
    const auto low = i == 1 ? rest.low : 0x80;
    const auto high = i == 1 ? rest.high : 0xbf;
    if (byte(i) < low || byte(i) > high)
      return {kind::broken, i, 0};
    scalar = scalar << 6 | (byte(i) & 0x3fu);
  }
  return {kind::scalar, rest.count + 1, scalar};
}

bool is_white_space(char32_t c) noexcept {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

std::string in_quotes(std::string_view text) {
  constexpr auto max_bytes = std::size_t{40};
  auto out = std::string{'"'};
  auto rest = text;
  while (!rest.empty() && text.size() - rest.size() < max_bytes) {
    const auto unit = next_utf8(rest);
    if (unit.what != utf8_unit::kind::scalar)
      out += replacement_character;
    else if (unit.scalar < 0x20 || unit.scalar == 0x7f)
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(unit.scalar));
    else
      out += rest.substr(0, unit.length);
    rest.remove_prefix(unit.length);
  }
  out += rest.empty() ? "\"" : "…\"";
  return out;
}

void utf8_repair::append(std::string_view bytes, std::string& out) {
  auto joined = std::string{};
  if (!held_.empty()) {
    joined = std::move(held_).append(bytes);
    bytes = joined;
    held_.clear();
  }
  while (!bytes.empty()) {
    const auto unit = next_utf8(bytes);
    if (unit.what == utf8_unit::kind::unfinished) {
      held_ = bytes;
      return;
    }
    out +=
        unit.what == utf8_unit::kind::scalar ? bytes.substr(0, unit.length) : replacement_character;
    bytes.remove_prefix(unit.length);
  }
}

void utf8_repair::flush(std::string& out) {
  if (!held_.empty())
    out += replacement_character;
  held_.clear();
}

} // namespace larql::text
