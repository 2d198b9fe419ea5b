#include "runtime/text/added_tokens.hpp"

#include "runtime/text/utf8.hpp"

namespace larql::text {

namespace {

bool is_spelled_like_control(std::string_view s) {
  return s.size() > 3 && s.front() == '<' && s.back() == '>' &&
         (s[1] == '|' || s[s.size() - 2] == '|');
}

std::size_t begin_of_white_space_before(std::string_view text, std::size_t from, std::size_t at) {
  while (at > from) {
    auto start = at - 1; // of the scalar that ends here
    while (start > from && (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80)
      --start;
    const auto unit = next_utf8(text.substr(start, at - start));
    if (unit.what != utf8_unit::kind::scalar || start + unit.length != at ||
        !is_white_space(unit.scalar))
      break;
    at = start;
  }
  return at;
}

std::size_t end_of_white_space_after(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const auto unit = next_utf8(text.substr(at));
    if (unit.what != utf8_unit::kind::scalar || !is_white_space(unit.scalar))
      break;
    at += unit.length;
  }
  return at;
}

} // namespace

result<added_tokens> added_tokens::build(std::vector<added_token> tokens,
                                         const text_replacement& normalizer,
                                         std::size_t vocabulary_size) {
  auto out = added_tokens{};
  out.special_.resize(vocabulary_size);
  out.control_.resize(vocabulary_size);
  for (auto i = std::size_t{0}; i < tokens.size(); ++i) {
    const auto& t = tokens[i];
    LARQL_CHECK(t.id < vocabulary_size);
    auto& finders = t.normalized ? out.normalized_ : out.raw_;
    const auto spelling = t.normalized ? normalizer.apply(t.content) : t.content;
    LARQL_TRY_VOID(finders.all.add(spelling, static_cast<std::uint32_t>(i)));
    const auto control = t.special || is_spelled_like_control(t.content);
    if (!control)
      LARQL_TRY_VOID(finders.without_control.add(spelling, static_cast<std::uint32_t>(i)));
    out.special_[t.id] = t.special;
    out.control_[t.id] = control;
  }
  out.tokens_ = std::move(tokens);
  return out;
}

std::optional<added_tokens::match> added_tokens::next_raw(std::string_view text, std::size_t from,
                                                          control_text control) const noexcept {
  return next(raw_, text, from, control);
}

std::optional<added_tokens::match>
added_tokens::next_normalized(std::string_view text, std::size_t from,
                              control_text control) const noexcept {
  return next(normalized_, text, from, control);
}

std::optional<added_tokens::match> added_tokens::next(const finder_pair& finders,
                                                      std::string_view text, std::size_t from,
                                                      control_text control) const noexcept {
  const auto& finder =
      control == control_text::becomes_tokens ? finders.all : finders.without_control;
  const auto found = finder.next(text, from);
  if (!found)
    return std::nullopt;
  const auto& token = tokens_[found->number];
  return match{token.strips_left ? begin_of_white_space_before(text, from, found->begin)
                                 : found->begin,
               token.strips_right ? end_of_white_space_after(text, found->end) : found->end,
               static_cast<token_id>(token.id)};
}

} // namespace larql::text
