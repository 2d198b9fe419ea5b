#include "runtime/grammar/regex_parser.hpp"

#include "runtime/text/utf8.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace larql::grammar {

namespace {

constexpr std::size_t max_bytes = 1000;
constexpr int max_levels = 50;

using term = regex_term;

const char_set& digits() {
  static const auto set = char_set{{'0', '9'}};
  return set;
}
const char_set& word_characters() {
  static const auto set = char_set{{'0', '9'}, {'A', 'Z'}, {'a', 'z'}, {'_', '_'}};
  return set;
}
const char_set& spaces() {
  static const auto set = char_set{
      {9, 13},          {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
      {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}};
  return set;
}
const char_set& line_ends() {
  static const auto set = char_set{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
  return set;
}
const char_set& all_characters() {
  static const auto set = char_set{{0, char_set::last_scalar}};
  return set;
}

class parser {
public:
  explicit parser(std::string_view text) : text_(text), rest_(text) {}

  result<term> parse() {
    if (text_.size() > max_bytes)
      return fail(errc::unsupported, "a pattern of {} bytes, expected at most {}", text_.size(),
                  max_bytes);
    LARQL_TRY(auto out, alternatives(0));
    if (!rest_.empty())
      return wrong("an unmatched \")\"");
    return out;
  }

private:
  [[nodiscard]] failure wrong(std::string_view what) const {
    return fail(errc::usage, "pattern {}: {}", text::in_quotes(text_), what);
  }
  [[nodiscard]] failure unknown(std::string_view what) const {
    return fail(errc::unsupported, "pattern {}: {} is not supported", text::in_quotes(text_), what);
  }

  bool take(std::string_view what) {
    if (!rest_.starts_with(what))
      return false;
    rest_.remove_prefix(what.size());
    return true;
  }

  result<term> alternatives(int level) {
    if (level > max_levels)
      return unknown(fmt::format("more than {} levels of groups", max_levels));
    auto out = term{};
    out.what = term::kind::alternatives;
    do {
      LARQL_TRY(auto part, sequence(level));
      out.parts.push_back(std::move(part));
    } while (take("|"));
    if (out.parts.size() == 1)
      return std::move(out.parts[0]);
    return out;
  }

  result<term> sequence(int level) {
    auto out = term{};
    while (!rest_.empty() && rest_[0] != '|' && rest_[0] != ')') {
      LARQL_TRY(auto part, atom(level));
      LARQL_TRY(part, repeated(std::move(part)));
      out.parts.push_back(std::move(part));
    }
    return out;
  }

  result<term> atom(int level) {
    auto out = term{};
    if (take("^")) {
      out.what = term::kind::begin;
      return out;
    }
    if (take("$")) {
      out.what = term::kind::end;
      return out;
    }
    if (take("(")) {
      if (take("?:") || rest_.empty() || rest_[0] != '?') {
        LARQL_TRY(out, alternatives(level + 1));
        if (!take(")"))
          return wrong("a group without its end");
        return out;
      }
      return unknown(rest_.starts_with("?<") && !rest_.starts_with("?<=") &&
                             !rest_.starts_with("?<!")
                         ? "a named group"
                         : "look-around");
    }
    if (take("["))
      return character_class();
    if (rest_[0] == '*' || rest_[0] == '+' || rest_[0] == '?')
      return wrong("nothing to repeat");
    LARQL_TRY(auto set, character(false));
    out.what = term::kind::characters;
    out.set = std::move(set);
    return out;
  }

  result<term> repeated(term part) {
    auto min = std::uint32_t{0}, max = unbounded;
    if (take("+")) {
      min = 1;
    } else if (take("?")) {
      max = 1;
    } else if (!take("*")) {
      const auto braces = rest_;
      const auto bounds = counts();
      if (!bounds) {
        rest_ = braces;
        return part;
      }
      min = bounds->first;
      max = bounds->second;
      if (min > max)
        return wrong("a repetition whose bounds are out of order");
      if (min > max_repetitions || (max != unbounded && max > max_repetitions))
        return unknown(fmt::format("more than {} repetitions", max_repetitions));
    }
    take("?"); // lazy: the same texts
    if (part.what == term::kind::begin || part.what == term::kind::end)
      return wrong("an anchor that is repeated");
    auto out = term{};
    out.what = term::kind::repeat;
    out.min = min;
    out.max = max;
    out.parts.push_back(std::move(part));
    return out;
  }

  // {m}, {m,} or {m,n}; nothing if it is another text.
  std::optional<std::pair<std::uint32_t, std::uint32_t>> counts() {
    if (!take("{"))
      return std::nullopt;
    const auto min = number();
    if (!min)
      return std::nullopt;
    auto max = min;
    if (take(",")) {
      max = number();
      if (!max)
        max = unbounded;
    }
    if (!take("}"))
      return std::nullopt;
    return std::pair{*min, *max};
  }

  std::optional<std::uint32_t> number() {
    auto out = std::optional<std::uint32_t>{};
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      const auto digit = static_cast<std::uint32_t>(rest_[0] - '0');
      out = std::min(out.value_or(0) * 10 + digit, 1'000'000u);
      rest_.remove_prefix(1);
    }
    return out;
  }

  result<std::uint32_t> hex(std::size_t digits) {
    auto out = std::uint32_t{0};
    for (auto i = std::size_t{0}; i < digits; ++i) {
      const auto at = rest_.empty() ? std::string_view::npos
                                    : std::string_view{"0123456789abcdefABCDEF"}.find(rest_[0]);
      if (at == std::string_view::npos)
        return wrong("an escape that is not complete");
      out = out * 16 + static_cast<std::uint32_t>(at < 16 ? at : at - 6);
      rest_.remove_prefix(1);
    }
    return out;
  }

  // One character, or a class by its letter. An escape in [ ] has no anchors.
  result<char_set> character(bool in_class) {
    if (take("\\"))
      return escape(in_class);
    if (!in_class && take(".")) {
      return all_characters().without(line_ends());
    }
    const auto unit = text::next_utf8(rest_);
    if (unit.what != text::utf8_unit::kind::scalar)
      return wrong("bytes that are not UTF-8");
    rest_.remove_prefix(unit.length);
    return char_set{{unit.scalar, unit.scalar}};
  }

  result<char_set> escape(bool in_class) {
    if (rest_.empty())
      return wrong("a \\ at the end");
    const auto c = rest_[0];
    const auto one = [](std::uint32_t scalar) { return char_set{{scalar, scalar}}; };
    if (static_cast<unsigned char>(c) >= 0x80)
      return character(in_class);
    rest_.remove_prefix(1);
    switch (c) {
    case 'd': return digits();
    case 'D': return digits().complement();
    case 'w': return word_characters();
    case 'W': return word_characters().complement();
    case 's': return spaces();
    case 'S': return spaces().complement();
    case 'n': return one('\n');
    case 'r': return one('\r');
    case 't': return one('\t');
    case 'f': return one('\f');
    case 'v': return one('\v');
    case '0': return one(0);
    case 'x': {
      LARQL_TRY(const auto scalar, hex(2));
      return one(scalar);
    }
    case 'u': return unicode_escape();
    case 'b':
      if (in_class)
        return one('\b');
      return unknown("\\b");
    default: break;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '1' && c <= '9'))
      return unknown(std::string{'\\', c});
    return one(static_cast<unsigned char>(c));
  }

  result<char_set> unicode_escape() {
    auto scalar = std::uint32_t{0};
    if (take("{")) {
      const auto digits = rest_.find('}');
      if (digits == 0 || digits == std::string_view::npos || digits > 6)
        return wrong("an escape that is not complete");
      LARQL_TRY(scalar, hex(digits));
      take("}");
    } else {
      LARQL_TRY(scalar, hex(4));
      if (scalar >= 0xd800 && scalar <= 0xdbff && take("\\u")) {
        LARQL_TRY(const auto low, hex(4));
        scalar = 0x10000 + ((scalar - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
      }
    }
    return char_set{{scalar, scalar}};
  }

  result<term> character_class() {
    auto out = term{};
    out.what = term::kind::characters;
    const auto negated = take("^");
    while (!take("]")) {
      if (rest_.empty())
        return wrong("a [ without its ]");
      LARQL_TRY(auto set, character(true));
      if (rest_.size() > 1 && rest_[0] == '-' && rest_[1] != ']') {
        take("-");
        LARQL_TRY(const auto high, character(true));
        const auto is_one = [](const char_set& s) {
          return s.ranges().size() == 1 && s.ranges()[0].first == s.ranges()[0].last;
        };
        if (!is_one(set) || !is_one(high) || set.ranges()[0].first > high.ranges()[0].first)
          return wrong("a range of characters that is none");
        set.add(set.ranges()[0].first, high.ranges()[0].first);
      }
      out.set.add(set);
    }
    if (negated)
      out.set = out.set.complement();
    return out;
  }

  std::string_view text_;
  std::string_view rest_;
};

} // namespace

bool regex_term::may_be_empty() const {
  const auto empty = [](const regex_term& t) { return t.may_be_empty(); };
  switch (what) {
  case kind::characters: return false;
  case kind::sequence: return std::all_of(parts.begin(), parts.end(), empty);
  case kind::alternatives: return std::any_of(parts.begin(), parts.end(), empty);
  case kind::repeat: return min == 0 || parts[0].may_be_empty();
  case kind::begin:
  case kind::end: return true;
  }
  return true;
}

result<regex_term> parse_regex(std::string_view expression) {
  return parser{expression}.parse();
}

} // namespace larql::grammar
