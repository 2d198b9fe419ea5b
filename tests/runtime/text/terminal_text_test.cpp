// Mirrors runtime/text/terminal_text.hpp.

#include "runtime/text/terminal_text.hpp"

#include <gtest/gtest.h>

namespace larql::text {
namespace {

std::string shown(std::string_view text) {
  auto t = terminal_text{};
  auto out = t.append(text);
  return out + t.flush();
}

TEST(TerminalText, LeavesWhatPeopleWriteAsItIs) {
  for (const auto* text :
       {"plain\ttext\nwith lines", "Ελληνικά, 中文, हिन्दी", "العَرَبِيَّة \u200f\u061c עִבְרִית",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 ❤\ufe0f",
        "\U0001f3f4\U000e0067\U000e0062\U000e007f", "a\u0301 \u200c \u00a0"})
    EXPECT_EQ(shown(text), text);
}

TEST(TerminalText, RemovesControlsSoThatNoEscapeSequenceIsLeft) {
  EXPECT_EQ(shown("a\x1b[31mred\x1b]0;title\x07"
                  "b"),
            "a[31mred]0;titleb");
  EXPECT_EQ(shown("\r\b\x01\x7f|"), "|");
  EXPECT_EQ(shown("\u0080\u009b31m\u009f|"), "31m|") << "C1 in UTF-8";
  EXPECT_EQ(shown(std::string_view{"\0x", 2}), "x");
}

TEST(TerminalText, BytesThatAreNotUtf8ShowAsSuch) {
  EXPECT_EQ(shown("a\x9b"
                  "31m"),
            "a\ufffd31m");
}

TEST(TerminalText, ClosesWhatTurnsTheDirectionAtTheEndOfTheLine) {
  EXPECT_EQ(shown("\u202eabc\ndef"), "\u202eabc\u202c\ndef");
  EXPECT_EQ(shown("\u2067abc"), "\u2067abc\u2069");
  EXPECT_EQ(shown("\u2066\u202babc\u2069 d"), "\u2066\u202babc\u202c\u2069 d");
  EXPECT_EQ(shown("\u202aa\u202c b"), "\u202aa\u202c b") << "balanced already";
}

TEST(TerminalText, RemovesClosingsThatCloseNothing) {
  EXPECT_EQ(shown("a\u202cb\u2069c"), "abc");
  EXPECT_EQ(shown("\u2066a\u202cb\u2069"), "\u2066ab\u2069")
      << "an embedding outside of the isolate is not closed in it";
}

TEST(TerminalText, NestsNoDeeperThanATextNeeds) {
  auto deep = std::string{};
  for (auto i = 0; i < 1000; ++i)
    deep += "\u202e";
  EXPECT_LT(shown(deep).size(), 2u * 3 * 40);
}

TEST(TerminalText, RemembersWhatIsOpenBetweenPieces) {
  auto t = terminal_text{};
  EXPECT_EQ(t.append("\u202eab"), "\u202eab");
  EXPECT_EQ(t.append("c\u202cd"), "c\u202cd");
  EXPECT_EQ(t.flush(), "");
}

} // namespace
} // namespace larql::text
