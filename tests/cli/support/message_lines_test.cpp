// Mirrors cli/support/message_lines.hpp.

#include "cli/support/message_lines.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

// The last line's message; the ones before it are not whole.
std::optional<typed_message> message_of(std::initializer_list<std::string_view> lines) {
  auto reader = message_lines{};
  auto out = std::optional<typed_message>{};
  for (const auto line : lines) {
    EXPECT_FALSE(out) << "whole before: " << line;
    out = reader.add(line);
  }
  return out;
}

TEST(MessageLines, ALineIsAMessage) {
  EXPECT_EQ(message_of({"\tHello there "}), (typed_message{"\tHello there ", false}));
  EXPECT_EQ(message_of({""}), (typed_message{"", false}));
}

TEST(MessageLines, ABackslashAtTheEndGoesOn) {
  EXPECT_EQ(message_of({"one\\", "two\\", "three"}), (typed_message{"one\ntwo\nthree", false}));
}

TEST(MessageLines, QuotesGoOnToTheLineThatEndsInThem) {
  EXPECT_EQ(message_of({R"(""")", "one", "", "\ttwo \\", R"(""")"}),
            (typed_message{"one\n\n\ttwo \\", true}));
  EXPECT_EQ(message_of({R"("""one)", R"(two""")"}), (typed_message{"one\ntwo", true}));
  EXPECT_EQ(message_of({R"("""/etc/hosts""")"}), (typed_message{"/etc/hosts", true}));
}

TEST(MessageLines, TheEndOfTheInputEndsWhatIsOpen) {
  auto reader = message_lines{};
  EXPECT_EQ(reader.finish(), std::nullopt);
  EXPECT_FALSE(reader.add(R"("""one)"));
  EXPECT_TRUE(reader.is_open());
  EXPECT_EQ(reader.finish(), (typed_message{"one", true}));
}

} // namespace
} // namespace larql::cli
