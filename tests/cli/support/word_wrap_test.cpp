// Mirrors cli/support/word_wrap.hpp: what a terminal of a certain width shows in the end.

#include "cli/support/word_wrap.hpp"

#include "runtime/text/utf8.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace larql::cli {
namespace {

// A terminal: line ends, wrapping at the edge (the cursor waits behind a full line, as xterm's
// does), cursor to a column, and erasing what stands behind it.
class paper {
public:
  explicit paper(std::size_t columns) : columns_(columns) {}

  void write(std::string_view text) {
    while (!text.empty()) {
      if (text.starts_with("\x1b[")) {
        const auto end = text.find_first_of("GK");
        if (text[end] == 'G')
          at_ = std::stoul(std::string{text.substr(2, end - 2)}) - 1;
        else
          rows_.back().resize(cells_before(at_));
        text.remove_prefix(end + 1);
        continue;
      }
      const auto unit = text::next_utf8(text);
      const auto c = text.substr(0, unit.length);
      text.remove_prefix(unit.length);
      if (c == "\n") {
        rows_.emplace_back();
        at_ = 0;
        continue;
      }
      const auto width = columns_of(c);
      if (at_ + width > columns_) {
        rows_.emplace_back();
        at_ = 0;
        ++soft_;
      }
      rows_.back() += c;
      at_ += width;
    }
  }
  [[nodiscard]] std::vector<std::string> rows() const {
    auto out = rows_;
    for (auto& r : out)
      while (r.ends_with(' '))
        r.pop_back();
    return out;
  }
  /// Breaks that the terminal made.
  [[nodiscard]] unsigned soft() const { return soft_; }

private:
  [[nodiscard]] std::size_t cells_before(std::size_t column) const {
    return cut_to_columns(rows_.back(), column).size();
  }

  std::size_t columns_, at_ = 0;
  std::vector<std::string> rows_{1};
  unsigned soft_ = 0;
};

struct wrap_case {
  const char* what;
  std::size_t columns;
  std::string text;
  std::vector<std::string> rows;
};

const auto cases = std::vector<wrap_case>{
    {"a text that fits", 20, "The capital of", {"The capital of"}},
    {"a word that does not fit", 10, "The capital of", {"The", "capital of"}},
    {"a word that ends at the edge", 11, "The capital of", {"The capital", "of"}},
    {"blanks at the edge", 11, "The capital   of", {"The capital", "of"}},
    {"a line end behind a full line", 11, "The capital \nof", {"The capital", "of"}},
    {"an empty line", 11, "The capital\n\nof", {"The capital", "", "of"}},
    {"a word that is longer than a line", 5, "a abcdefgh i", {"a", "abcde", "fgh i"}},
    {"wide characters", 6, "a 語言語言 b", {"a 語言", "語言 b"}},
    {"no closing mark begins a line", 8, "語言語言。語", {"語言語", "言。語"}},
    {"an emoji", 6, "abcde 🙂 f", {"abcde", "🙂 f"}},
    {"parts of one emoji stay together", 5, "abc 👩‍💻d", {"abc", "👩‍💻d"}},
    {"a letter and its accent are one",
     6,
     "abc de\xcc\x81"
     "fg",
     {"abc", "de\xcc\x81"
             "fg"}},
    {"accents take no room",
     4,
     "e\xcc\x81"
     "e\xcc\x81 a",
     {"e\xcc\x81"
      "e\xcc\x81 a"}},
    {"a space that does not break",
     6,
     "ab c\xc2\xa0"
     "de",
     {"ab", "c\xc2\xa0"
            "de"}},
    {"Thai marks take no room", 6, "ab \u0e17\u0e35\u0e48 c", {"ab \u0e17\u0e35\u0e48 c"}},
    {"a line of code is left alone",
     10,
     "```c\nint main() { return 0; }\n```\nint main() is it",
     {"```c", "int main()", " { return", "0; }", "```", "int main()", "is it"}},
    {"a longer fence holds a shorter one",
     8,
     "````\n```\nab cdefghij\n````\nab cdefghij",
     {"````", "```", "ab cdefg", "hij", "````", "ab", "cdefghij"}},
    {"code within a line is text", 8, "```a``` bcde", {"```a```", "bcde"}},
    {"an indented fence",
     8,
     "- x\n  ~~~\n  ab cdefgh\n  ~~~\nab cdefgh",
     {"- x", "  ~~~", "  ab cde", "fgh", "  ~~~", "ab", "cdefgh"}},
};

TEST(WordWrap, BreaksBetweenWordsHoweverTheTextComes) {
  for (const auto& c : cases) {
    auto at_once = paper{c.columns};
    at_once.write(word_wrap{c.columns}.add(c.text));
    EXPECT_EQ(at_once.rows(), c.rows) << c.what;
    auto by_character = paper{c.columns};
    auto wrap = word_wrap{c.columns};
    for (auto rest = std::string_view{c.text}; !rest.empty();) {
      const auto n = text::next_utf8(rest).length;
      by_character.write(wrap.add(rest.substr(0, n)));
      rest.remove_prefix(n);
    }
    EXPECT_EQ(by_character.rows(), c.rows) << c.what << ", one character at a time";
  }
}

TEST(WordWrap, CodeIsBrokenByTheTerminalAlone) {
  const auto text = std::string{"```\nfor (;;) { work(); }\n```\n"};
  EXPECT_EQ(word_wrap{10}.add(text), text);
}

TEST(WordWrap, NothingIsHeldUp) {
  auto wrap = word_wrap{10};
  EXPECT_EQ(wrap.add("The capi"), "The capi");
  EXPECT_EQ(wrap.add("ta"), "ta");
  EXPECT_EQ(wrap.add("l"), "\x1b[5G\x1b[K\ncapital");
  EXPECT_EQ(wrap.column().at(), 7u);
}

TEST(WordWrap, AnotherWidthHoldsFromTheNextWordOn) {
  auto wrap = word_wrap{20};
  EXPECT_EQ(wrap.add("The capital"), "The capital");
  wrap.resize(12);
  EXPECT_EQ(wrap.add("s"), "s");
  EXPECT_EQ(wrap.add("es"), "es") << "where the terminal has put the word is not known";
  EXPECT_EQ(wrap.add(" of it all, too"), " of it all\x1b[10G\x1b[K\nall, too");
}

TEST(WordWrap, AfterAnotherProgramItGoesOnInALineOfItsOwn) {
  auto wrap = word_wrap{10};
  EXPECT_EQ(wrap.add("The capi"), "The capi");
  wrap.begin_line();
  EXPECT_EQ(wrap.add("tal of it"), "tal of it");
}

} // namespace
} // namespace larql::cli
