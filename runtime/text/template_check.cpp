#include "runtime/text/template_check.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace larql::text {

namespace {

// Fewer in a row are names and formats: "response:", "type: object".
constexpr auto words_of_a_sentence = 3;
constexpr std::size_t shown_bytes = 60;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (static_cast<unsigned char>(c) & 0x80u);
}

// Words with single spaces between, punctuation aside.
bool is_sentence(std::string_view text) {
  auto words = 0, letters = 0;
  for (auto i = std::size_t{0}; i <= text.size(); ++i) {
    const auto c = i < text.size() ? text[i] : ' ';
    if (is_letter(c) || c == '\'' || c == ',' || c == '.' || c == '-') {
      letters += is_letter(c) ? 1 : 0;
    } else if (c == ' ') {
      words = letters >= 2 || (letters == 1 && words > 0) ? words + 1 : 0;
      letters = 0;
      if (words >= words_of_a_sentence)
        return true;
    } else {
      words = 0;
      letters = 0;
    }
  }
  return false;
}

/// Walks over a template's source and finds the texts that go into prompts.
class source_reader {
public:
  explicit source_reader(std::string_view source) : rest_(source) {}

  /// The first sentence; empty: none.
  std::string_view first_sentence() {
    while (!rest_.empty()) {
      const auto open = std::min({rest_.find("{{"), rest_.find("{%"), rest_.find("{#")});
      if (const auto plain = rest_.substr(0, open); is_sentence(plain))
        return plain;
      if (open == std::string_view::npos)
        return {};
      const auto kind = rest_[open + 1];
      rest_.remove_prefix(open + 2);
      if (kind == '#')
        skip_past("#}");
      else if (const auto found = sentence_in_tag(kind == '{' ? "}}" : "%}"); !found.empty())
        return found;
    }
    return {};
  }

private:
  void skip_past(std::string_view end) {
    const auto at = rest_.find(end);
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at + end.size());
  }

  // Strings within a tag, but for the texts of errors.
  std::string_view sentence_in_tag(std::string_view end) {
    auto is_error = false;
    while (!rest_.empty()) {
      if (rest_.starts_with(end)) {
        rest_.remove_prefix(end.size());
        return {};
      }
      if (rest_.starts_with("raise_exception"))
        is_error = true;
      const auto c = rest_.front();
      rest_.remove_prefix(1);
      if (c != '\'' && c != '"')
        continue;
      auto length = std::size_t{0};
      while (length < rest_.size() && rest_[length] != c)
        length += rest_[length] == '\\' ? 2 : 1;
      const auto text = rest_.substr(0, std::min(length, rest_.size()));
      rest_.remove_prefix(std::min(length + 1, rest_.size()));
      if (!is_error && is_sentence(text))
        return text;
    }
    return {};
  }

  std::string_view rest_;
};

std::string shortened(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n'))
    text.remove_prefix(1);
  auto n = std::min(text.size(), shown_bytes);
  while (n > 0 && n < text.size() && (static_cast<unsigned char>(text[n]) & 0xc0u) == 0x80u)
    --n; // within a character
  return fmt::format("{}{}", text.substr(0, n), n < text.size() ? "…" : "");
}

} // namespace

std::vector<std::string> what_is_not_rendered(std::string_view jinja) {
  auto out = std::vector<std::string>{};
  if (const auto text = source_reader{jinja}.first_sentence(); !text.empty())
    out.push_back(fmt::format("puts a text of its own into prompts, which is left out: \"{}\"",
                              shortened(text)));
  if (jinja.find("strftime_now") != std::string_view::npos)
    out.emplace_back("puts the date into prompts, which is left out");
  return out;
}

} // namespace larql::text
