#include "cli/support/word_wrap.hpp"

#include "runtime/text/utf8.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace larql::cli {

namespace {

constexpr char32_t zero_width_joiner = 0x200d;
// Does not begin a line (JIS X 4051, without the rarer ones).
constexpr char32_t closing[] = {0x2019, 0x201d, 0x2026, 0x3001, 0x3002, 0x3009, 0x300b, 0x300d,
                                0x300f, 0x3011, 0x3015, 0x3017, 0x30fb, 0x30fc, 0xff01, 0xff05,
                                0xff09, 0xff0c, 0xff0e, 0xff1a, 0xff1b, 0xff1f, 0xff3d, 0xff5d};

bool is_closing(char32_t c) noexcept {
  return std::binary_search(std::begin(closing), std::end(closing), c);
}

} // namespace

// ---- code ---------------------------------------------------------------------------------------

void code_fences::add(char32_t c) noexcept {
  if (c == '\n') {
    if (open_ == 0 && count_ >= fence_length) {
      open_ = mark_;
      open_count_ = count_;
    } else if (open_ != 0 && mark_ == open_ && count_ >= open_count_ && !has_words_) {
      open_ = 0;
    }
    mark_ = 0;
    count_ = 0;
    is_in_marks_ = true;
    has_words_ = false;
  } else if (is_in_marks_ && (c == '`' || c == '~') && (mark_ == 0 || c == mark_)) {
    mark_ = c;
    ++count_;
  } else if (c != ' ' && c != '\t') {
    is_in_marks_ = false;
    has_words_ = true;
    if (c == '`' && mark_ == '`' && open_ == 0)
      count_ = 0; // code within a line
  } else if (mark_ != 0) {
    is_in_marks_ = false;
  }
}

// ---- words --------------------------------------------------------------------------------------

std::string word_wrap::add(std::string_view text) {
  auto out = std::string{};
  while (!text.empty()) {
    const auto unit = text::next_utf8(text);
    const auto c = text.substr(0, unit.length);
    const auto scalar = unit.what == text::utf8_unit::kind::scalar ? unit.scalar : U'?';
    text.remove_prefix(unit.length);
    if (scalar == '\n') {
      put(c, out);
      begin_line();
      continue;
    }
    fences_.add(scalar);
    if (fences_.is_code()) {
      put(c, out);
    } else if (scalar == ' ' || scalar == '\t') {
      add_blank(c, out);
    } else {
      add_visible(c, scalar, out);
    }
  }
  return out;
}

void word_wrap::put(std::string_view c, std::string& out) {
  out += c;
  column_.add(c);
}

void word_wrap::end_word() noexcept {
  word_.clear();
  is_fixed_ = may_end_ = is_joined_ = false;
}

void word_wrap::begin_line() noexcept {
  if (column_.at() != 0)
    column_.add("\n");
  fences_.add('\n');
  end_word();
  owes_line_end_ = false;
}

// Blanks at the edge are the break itself.
void word_wrap::add_blank(std::string_view c, std::string& out) {
  end_word();
  if (column_.at() == column_.columns())
    owes_line_end_ = true;
  else
    put(c, out);
}

void word_wrap::add_visible(std::string_view c, char32_t scalar, std::string& out) {
  const auto width = columns_of(scalar);
  const auto belongs = width == 0 || is_joined_ || is_closing(scalar);
  if (!belongs && (may_end_ || width == 2))
    end_word();
  if (owes_line_end_) {
    put("\n", out);
    owes_line_end_ = false;
  }
  const auto fits = column_.at() + width <= column_.columns();
  if (!fits && !word_.empty() && !is_fixed_ && word_begin_ != 0) {
    out += fmt::format("\x1b[{}G\x1b[K", word_begin_ + 1);
    put("\n", out);
    put(word_, out);
    word_begin_ = 0;
  } else if (!fits) {
    is_fixed_ = !word_.empty();
  }
  put(c, out);
  if (word_.empty() && !is_fixed_)
    word_begin_ = column_.at() - std::min(width, column_.at());
  word_ += c;
  may_end_ = width == 2 || (may_end_ && belongs);
  is_joined_ = scalar == zero_width_joiner;
}

void word_wrap::resize(std::size_t columns) noexcept {
  if (columns == column_.columns())
    return;
  column_.resize(columns);
  is_fixed_ = !word_.empty(); // where the terminal has put it is not known
}

} // namespace larql::cli
