// Mirrors runtime/text/token_finder.cpp.

#include "runtime/text/token_finder.hpp"

#include <gtest/gtest.h>

namespace larql::text {
namespace {

token_finder finder_of(std::initializer_list<const char*> spellings) {
  auto out = token_finder{};
  auto number = 0u;
  for (const auto* s : spellings)
    EXPECT_TRUE(out.add(s, number++));
  return out;
}

void expect_match(const std::optional<token_finder::match>& found, std::size_t begin,
                  std::size_t end, std::uint32_t number) {
  ASSERT_TRUE(found);
  EXPECT_EQ(found->begin, begin);
  EXPECT_EQ(found->end, end);
  EXPECT_EQ(found->number, number);
}

TEST(TokenFinder, TheLeftmostMatchWinsOverALongerLaterOne) {
  const auto finder = finder_of({"bc", "cdefg"});
  expect_match(finder.next("abcdefg", 0), 1, 3, 0);
  expect_match(finder.next("abcdefg", 2), 2, 7, 1);
}

TEST(TokenFinder, OfThoseThatStartTogetherTheLongestWins) {
  const auto finder = finder_of({"a", "abc", "ab"});
  expect_match(finder.next("xabcd", 0), 1, 4, 1);
  expect_match(finder.next("abd", 0), 0, 2, 2);
  expect_match(finder.next("ax", 0), 0, 1, 0);
}

TEST(TokenFinder, ABeginningThatLeadsNowhereIsNoMatch) {
  const auto finder = finder_of({"aab"});
  expect_match(finder.next("aaab", 0), 1, 4, 0);
  EXPECT_FALSE(finder.next("aaa", 0));
  EXPECT_FALSE(finder.next("", 0));
  EXPECT_FALSE(token_finder{}.next("abc", 0));
}

TEST(TokenFinder, RefusesEmptyOverlongAndRepeatedSpellings) {
  auto finder = finder_of({"a"});
  EXPECT_FALSE(finder.add("", 1));
  EXPECT_FALSE(finder.add(std::string(token_finder::max_spelling_bytes + 1, 'x'), 1));
  EXPECT_FALSE(finder.add("a", 1));
  EXPECT_TRUE(finder.add(std::string(token_finder::max_spelling_bytes, 'x'), 1));
}

} // namespace
} // namespace larql::text
