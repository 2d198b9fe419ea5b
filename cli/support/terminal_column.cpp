#include "cli/support/terminal_column.hpp"

#include "cli/support/column_ranges.hpp"
#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <iterator>
#include <sys/ioctl.h>
#include <unistd.h>

namespace larql::cli {

namespace {

constexpr std::size_t usual_columns = 80;
constexpr std::size_t tab_width = 8;

// @pre sorted
template <std::size_t N>
bool is_in(const character_range (&ranges)[N], char32_t c) noexcept {
  const auto* r = std::partition_point(std::begin(ranges), std::end(ranges),
                                       [c](const character_range& x) { return x.last < c; });
  return r != std::end(ranges) && r->first <= c;
}

} // namespace

std::size_t columns_of(char32_t c) noexcept {
  if (c < 0x300)
    return c < 0x20 || (c >= 0x7f && c < 0xa0) ? 0 : 1;
  return is_in(empty_characters, c) ? 0 : is_in(wide_characters, c) ? 2 : 1;
}

std::size_t columns_of(std::string_view text) noexcept {
  auto out = std::size_t{0};
  while (!text.empty()) {
    const auto unit = text::next_utf8(text);
    out += unit.what == text::utf8_unit::kind::scalar ? columns_of(unit.scalar) : 1;
    text.remove_prefix(unit.length);
  }
  return out;
}

std::string cut_to_columns(std::string_view text, std::size_t columns) {
  auto used = std::size_t{0}, bytes = std::size_t{0};
  while (bytes < text.size()) {
    const auto unit = text::next_utf8(text.substr(bytes));
    const auto width = unit.what == text::utf8_unit::kind::scalar ? columns_of(unit.scalar) : 1;
    if (used + width > columns)
      break;
    used += width;
    bytes += unit.length;
  }
  return std::string{text.substr(0, bytes)};
}

void terminal_column::add(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto unit = text::next_utf8(text);
    text.remove_prefix(unit.length);
    if (unit.what == text::utf8_unit::kind::scalar &&
        (unit.scalar == '\n' || unit.scalar == '\r')) {
      at_ = 0;
      continue;
    }
    if (unit.what == text::utf8_unit::kind::scalar && unit.scalar == '\t') {
      const auto next = (at_ / tab_width + 1) * tab_width; // it never begins a line of its own
      at_ = at_ == columns_ ? at_ : next < columns_ ? next : columns_ - 1;
      continue;
    }
    const auto width = unit.what == text::utf8_unit::kind::scalar ? columns_of(unit.scalar) : 1;
    at_ = at_ + width > columns_ ? width : at_ + width;
  }
}

void terminal_column::resize(std::size_t columns) noexcept {
  columns_ = columns == 0 ? 1 : columns;
  if (at_ > columns_)
    at_ %= columns_;
}

std::size_t terminal_columns(int fd) noexcept {
  auto size = winsize{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : usual_columns;
}

} // namespace larql::cli
