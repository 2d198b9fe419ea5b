// Mirrors runtime/base/one_line.hpp.

#include "runtime/base/one_line.hpp"

#include <gtest/gtest.h>

namespace larql {
namespace {

TEST(OneLine, KeepsTextAsItIs) {
  EXPECT_EQ(one_line("node α: 5 × \"x\""), "node α: 5 × \"x\"");
  EXPECT_EQ(one_line(""), "");
}

TEST(OneLine, TakesControlCharactersOut) {
  EXPECT_EQ(one_line("a\nb\r\tc\x1b[2Jd\x7f"
                     "e"),
            "a b  c [2Jd e");
  EXPECT_EQ(one_line(std::string_view("a\0b", 3)), "a b");
}

TEST(OneLine, TakesC1AndDirectionCharactersOut) {
  EXPECT_EQ(one_line("a\u009b31mb\u0085c"), "a 31mb c");
  EXPECT_EQ(one_line("a\u202eb\u202cc\u2066d\u2069e"), "a b c d e");
  EXPECT_EQ(one_line("a\u200eb\u200fc\u061cd"), "a b c d");
  EXPECT_EQ(one_line("a\u2028b\u2029c"), "a b c") << "lines that are not \\n";
}

TEST(OneLine, KeepsTheNamesOfAllPeople) {
  for (const auto* name :
       {"Ελλάδα", "עברית", "العربية", "日本語", "\U0001f468\u200d\U0001f469", "हिन्दी"})
    EXPECT_EQ(one_line(name), name);
}

TEST(OneLine, ShowsBytesThatAreNoUtf8AsQuestionMarks) {
  EXPECT_EQ(one_line("a\x9b"
                     "31m"),
            "a?31m");
  EXPECT_EQ(one_line("\xc0\xaf\xed\xa0\x80\xf5"), "??????") << "overlong, surrogate, too large";
  EXPECT_EQ(one_line("\xe2\x80"), "??") << "cut";
}

} // namespace
} // namespace larql
