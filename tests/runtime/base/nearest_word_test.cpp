// Mirrors runtime/base/nearest_word.hpp.

#include "runtime/base/nearest_word.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace larql {
namespace {

TEST(NearestWord, FindsTypingMistakesAndNothingElse) {
  const auto known =
      std::vector<std::string_view>{"run", "chat", "status", "extract", "--max-tokens", "--min-p"};
  EXPECT_EQ(nearest_word("rum", known), "run");
  EXPECT_EQ(nearest_word("runn", known), "run");
  EXPECT_EQ(nearest_word("stauts", known), "status");
  EXPECT_EQ(nearest_word("--max_tokens", known), "--max-tokens");
  EXPECT_EQ(nearest_word("--max", known), "--max-tokens") << "cut short";
  for (const auto* far : {"serve", "", "xyz", "--stop"})
    EXPECT_EQ(nearest_word(far, known), "") << far;
  EXPECT_EQ(nearest_word(std::string(1 << 20, 'r'), known), "");
}

} // namespace
} // namespace larql
