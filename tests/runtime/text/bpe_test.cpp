// Mirrors runtime/text/bpe.cpp: which merges happen, and that their number stays linear.

#include "runtime/text/bpe.hpp"

#include "tests/runtime/text/small_tokenizer.hpp"
#include "tests/support/random_weights.hpp"

namespace larql::text {
namespace {

using larql::test::random_source;
using test::pieces;
using test::small_tokenizer_file;
using test::strings;

TEST(Bpe, TheLowestRankMergesFirst) {
  EXPECT_EQ(pieces(small_tokenizer_file{}.merge("a", "b").merge("b", "c").parse(), "abc"),
            (strings{"ab", "c"}));
  EXPECT_EQ(pieces(small_tokenizer_file{}.merge("b", "c").merge("a", "b").parse(), "abc"),
            (strings{"a", "bc"}));
}

TEST(Bpe, OnTiesTheLeftmostMergesFirst) {
  const auto t = small_tokenizer_file{}.merge("a", "a").parse();
  EXPECT_EQ(pieces(t, "aaa"), (strings{"aa", "a"}));
  EXPECT_EQ(pieces(t, "aaaa"), (strings{"aa", "aa"}));
  EXPECT_EQ(pieces(t, "aaaaa"), (strings{"aa", "aa", "a"}));
}

TEST(Bpe, WhatMergedMayMergeAgainOnBothSides) {
  const auto t = small_tokenizer_file{}.merge("b", "c").merge("a", "bc").merge("abc", "d").parse();
  EXPECT_EQ(pieces(t, "abcd"), strings{"abcd"});
  EXPECT_EQ(pieces(t, "bcd"), (strings{"bc", "d"}));
}

TEST(Bpe, SeveralPairsMayGiveOneToken) {
  const auto t = small_tokenizer_file{}
                     .merge("a", "b")
                     .merge("b", "c")
                     .merge("ab", "c")
                     .merge("a", "bc")
                     .parse();
  EXPECT_EQ(pieces(t, "abc"), strings{"abc"});
}

TEST(Bpe, ALongTokenWithoutAPathOfMergesIsNotUsed) {
  auto file = small_tokenizer_file{};
  file.token("abc");
  EXPECT_EQ(pieces(file.parse(), "abc"), (strings{"a", "b", "c"}));
}

TEST(Bpe, AWholeStretchIsOneWord) {
  const auto t = small_tokenizer_file{}.merge("a", "▁").merge("a▁", "b").parse();
  EXPECT_EQ(pieces(t, "a b"), strings{"a▁b"}) << "merges may go across a space";
}

TEST(Bpe, MergesMayBeWrittenAsLines) {
  auto file = small_tokenizer_file{}.merge("a", "b").merge("▁", "ab").json();
  for (auto& merge : file["model"]["merges"])
    merge = merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  EXPECT_EQ(pieces(small_tokenizer_file::parse(file), " ab"), strings{"▁ab"});
}

TEST(Bpe, AMergeLineMayBeginWithASpaceToken) {
  auto file = small_tokenizer_file{};
  file.token(" ").token(" a");
  auto root = file.json();
  root["normalizer"] = root["pre_tokenizer"] = nullptr;
  root["model"]["merges"] = {"  a"}; // " " and "a"
  EXPECT_EQ(pieces(small_tokenizer_file::parse(root), " a"), strings{" a"});
}

// The definition itself, quadratic.
strings merged_by_definition(const small_tokenizer_file& file, std::string_view word) {
  const auto merges = file.merges.get<std::vector<std::array<std::string, 2>>>();
  auto symbols = strings{};
  for (const auto c : word)
    symbols.emplace_back(1, c);
  for (;;) {
    auto best = merges.size(), at = symbols.size();
    for (auto i = std::size_t{0}; i + 1 < symbols.size(); ++i)
      for (auto rank = std::size_t{0}; rank < best; ++rank)
        if (merges[rank] == std::array{symbols[i], symbols[i + 1]}) {
          best = rank;
          at = i;
        }
    if (at == symbols.size())
      return symbols;
    symbols[at] += symbols[at + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

TEST(BpeProperty, IsTheDefinitionForRandomMergesAndWords) {
  auto random = random_source{3};
  for (auto round = 0; round < 60; ++round) {
    auto file = small_tokenizer_file{};
    auto made = strings{"a", "b", "c"};
    auto pairs = strings{};
    while (made.size() < 25) {
      const auto pick = [&] { return made[random.below(static_cast<std::uint32_t>(made.size()))]; };
      const auto left = pick(), right = pick();
      const auto pair = left + " " + right;
      if (std::find(pairs.begin(), pairs.end(), pair) != pairs.end())
        continue;
      pairs.push_back(pair);
      file.merge(left, right);
      made.push_back(left + right);
    }
    // Any order of ranks is allowed, also parts after wholes.
    for (auto i = file.merges.size(); i > 1; --i)
      std::swap(file.merges[i - 1], file.merges[random.below(static_cast<std::uint32_t>(i))]);
    const auto t = file.parse();
    for (auto i = 0; i < 30; ++i) {
      auto word = std::string(random.below(40), 'a');
      for (auto& c : word)
        c = static_cast<char>('a' + random.below(3));
      ASSERT_EQ(pieces(t, word), merged_by_definition(file, word)) << word;
    }
  }
}

// A megabyte as one word: how often neighbours were looked at, for each of its characters.
double weighed_per_character(const small_tokenizer_file& file, std::string_view unit) {
  const auto parts = parse_tokenizer_json(file.text(), "tokenizer.json");
  auto word = std::string{};
  while (word.size() < 1u << 20)
    word += unit;
  auto out = std::vector<token_id>{};
  const auto weighed = parts->merges.encode(word, out);
  EXPECT_FALSE(out.empty());
  return static_cast<double>(weighed) / static_cast<double>(word.size());
}

TEST(BpeProperty, WorkIsLinearForAMegabyteOfOneLetter) {
  auto file = small_tokenizer_file{};
  for (auto n = 1; n <= 64; n *= 2)
    file.merge(std::string(n, 'a'), std::string(n, 'a'));
  EXPECT_LE(weighed_per_character(file, "a"), 3.0);
  EXPECT_LE(weighed_per_character(small_tokenizer_file{}, "a"), 1.0) << "without merges";
}

TEST(BpeProperty, WorkIsLinearForAMegabyteOfAlternatingLetters) {
  auto file = small_tokenizer_file{};
  file.merge("b", "a").merge("a", "b").merge("ba", "ba").merge("ab", "ab").merge("baba", "baba");
  EXPECT_LE(weighed_per_character(file, "ab"), 3.0);
}

TEST(BpeProperty, WorkIsLinearWhenEveryMergeGrowsOneToken) {
  auto file = small_tokenizer_file{};
  // The first token eats its neighbours one by one, and the rank falls each time.
  for (auto n = 200; n >= 1; --n)
    file.merge(std::string(n, 'a'), "a");
  EXPECT_LE(weighed_per_character(file, "a"), 3.0);
}

} // namespace
} // namespace larql::text
