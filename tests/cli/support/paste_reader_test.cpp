// Mirrors cli/support/paste_reader.hpp.

#include "cli/support/paste_reader.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace larql::cli {
namespace {

struct keyboard {
  std::string typed;
  std::vector<std::string> pasted;

  explicit keyboard(std::string_view bytes) {
    auto reader = paste_reader{};
    for (const auto byte : bytes) {
      auto got = reader.add(byte);
      typed += got.typed;
      if (got.pasted)
        pasted.push_back(*got.pasted);
    }
  }
};

TEST(PasteReader, TellsAPasteFromWhatIsTypedAroundIt) {
  const auto k = keyboard{"ab\x1b[200~one\rtwo\t\x1b[201~c"};
  EXPECT_EQ(k.typed, "abc");
  EXPECT_EQ(k.pasted, std::vector<std::string>{"one\rtwo\t"});
}

TEST(PasteReader, OtherEscapeSequencesPass) {
  EXPECT_EQ(keyboard{"\x1b[A\x1b[20~\x1b\x1b[B\x1b"
                     "b"}
                .typed,
            "\x1b[A\x1b[20~\x1b\x1b[B\x1b"
            "b");
}

TEST(PasteReader, APasteMayHoldWhatLooksLikeAMark) {
  const auto k = keyboard{"\x1b[200~a\x1b[200~b\x1b[20\x1b[201~"};
  EXPECT_EQ(k.pasted, std::vector<std::string>{"a\x1b[200~b\x1b[20"});
  EXPECT_EQ(k.typed, "");
}

TEST(PasteReader, APasteKeepsTabsAndLinesAndLosesOtherControls) {
  EXPECT_EQ(clean_paste("one\r\ntwo\rthree\n"), "one\ntwo\nthree");
  EXPECT_EQ(clean_paste("if x:\n\treturn \x1b[31mred\x07"), "if x:\n\treturn [31mred");
  EXPECT_EQ(clean_paste("grüße 語"), "grüße 語");
}

} // namespace
} // namespace larql::cli
