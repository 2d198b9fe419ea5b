// Mirrors runtime/base/log.hpp.

#include "runtime/base/log.hpp"

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

} // namespace
} // namespace larql
