// Mirrors cli/support/terminal_column.hpp, and the line below a text of answer_screen.hpp.

#include "cli/support/terminal_column.hpp"

#include "cli/support/answer_screen.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

std::size_t column_after(std::string_view text, std::size_t columns = 10) {
  auto c = terminal_column{columns};
  c.add(text);
  return c.at();
}

TEST(TerminalColumn, CountsCharactersAndNotBytes) {
  EXPECT_EQ(column_after("abc"), 3u);
  EXPECT_EQ(column_after("größe"), 5u);
  EXPECT_EQ(column_after("語言"), 4u);
  EXPECT_EQ(column_after("e\xcc\x81"), 1u); // a letter and its accent
  EXPECT_EQ(column_after("🙂"), 2u);
  EXPECT_EQ(column_after("⭐⌚"), 4u);                 // emoji among older signs
  EXPECT_EQ(column_after("\u0e17\u0e35\u0e48"), 1u); // a Thai letter with two marks
  EXPECT_EQ(column_after("\u05e9\u05c1"), 1u);       // a Hebrew one with a point
}

TEST(TerminalColumn, LinesEndAtTheEdgeAndAtLineEnds) {
  EXPECT_EQ(column_after("0123456789"), 10u) << "full, and nothing has begun the next";
  EXPECT_EQ(column_after("0123456789a"), 1u);
  EXPECT_EQ(column_after("012345678語"), 2u) << "a wide character is not torn";
  EXPECT_EQ(column_after("abc\nde"), 2u);
  EXPECT_EQ(column_after("a\tb"), 9u);
}

TEST(TerminalColumn, CutsAtWholeCharacters) {
  EXPECT_EQ(cut_to_columns("größe", 3), "grö");
  EXPECT_EQ(cut_to_columns("a語b", 2), "a");
  EXPECT_EQ(cut_to_columns("ab", 5), "ab");
}

TEST(StatusLine, StandsBelowTheTextAndLeavesItAsItWas) {
  auto above = terminal_column{20};
  above.add("an answer");
  auto line = status_line{};
  EXPECT_EQ(line.draw("waiting", above), "\n\r\x1b[Kwaiting");
  EXPECT_EQ(line.draw("waiting", above), "") << "it is there already";
  EXPECT_EQ(line.draw("waiting longer", above), "\r\x1b[Kwaiting longer");
  EXPECT_EQ(line.erase(), "\r\x1b[K\x1b[A\x1b[10G");
  EXPECT_EQ(line.erase(), "");
}

TEST(StatusLine, StandsInAnEmptyLineAndNeverFillsOne) {
  auto line = status_line{};
  EXPECT_EQ(line.draw("0123456789", terminal_column{6}), "\r\x1b[K01234");
  EXPECT_EQ(line.erase(), "\r\x1b[K");
}

TEST(StatusLine, BehindAFullLineTheTextGoesOnInTheNext) {
  auto above = terminal_column{4};
  above.add("full");
  auto line = status_line{};
  EXPECT_EQ(line.draw("x", above), "\n\r\x1b[Kx");
  EXPECT_EQ(line.erase(), "\r\x1b[K");
}

} // namespace
} // namespace larql::cli
