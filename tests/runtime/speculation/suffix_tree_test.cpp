// Mirrors runtime/speculation/suffix_tree.hpp, against a search of the whole text.

#include "runtime/speculation/suffix_tree.hpp"

#include "tests/support/run_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace larql::speculation {
namespace {

using ids = std::vector<std::uint32_t>;

std::size_t occurrences(const ids& text, const ids& of) {
  auto n = std::size_t{0};
  for (auto at = text.begin(); at + static_cast<std::ptrdiff_t>(of.size()) <= text.end(); ++at)
    n += std::equal(of.begin(), of.end(), at) ? 1 : 0;
  return n;
}

// The longest suffix of `of` that occurs at least `times` in `text`.
ids longest_suffix(const ids& text, const ids& of, std::size_t times) {
  for (auto from = of.begin(); from != of.end(); ++from)
    if (const auto s = ids{from, of.end()}; occurrences(text, s) >= times)
      return s;
  return {};
}

std::map<std::uint32_t, std::uint32_t> next_of(const suffix_tree& tree,
                                               const suffix_tree::match& m) {
  auto out = std::map<std::uint32_t, std::uint32_t>{};
  tree.for_each_next(m, [&](std::uint32_t token, const auto&, std::uint32_t n) {
    EXPECT_TRUE(out.emplace(token, n).second);
  });
  return out;
}

// Every token that follows, and how often.
std::map<std::uint32_t, std::uint32_t> next_by_search(const ids& text, const ids& of) {
  auto out = std::map<std::uint32_t, std::uint32_t>{};
  for (const auto token : text)
    if (!out.contains(token)) {
      auto longer = of;
      longer.push_back(token);
      if (const auto n = occurrences(text, longer))
        out[token] = static_cast<std::uint32_t>(n);
    }
  return out;
}

class SuffixTree : public testing::TestWithParam<std::uint32_t> {}; // vocabulary

TEST_P(SuffixTree, FindsTheLongestRepeatedSuffixAndWhatFollowsIt) {
  for (auto seed = 1u; seed <= 20; ++seed) {
    const auto all = test::random_ids(70, GetParam(), seed);
    auto tree = suffix_tree{};
    auto text = ids{};
    for (const auto token : all) {
      tree.append(token);
      text.push_back(token);
      const auto expected = longest_suffix(text, text, 2);
      const auto m = tree.repeated_suffix();
      ASSERT_EQ(m.length, expected.size()) << "seed " << seed << ", " << text.size() << " tokens";
      if (m.length != 0) {
        ASSERT_EQ(next_of(tree, m), next_by_search(text, expected));
      }
    }
    EXPECT_EQ(tree.size(), all.size());
  }
}

TEST_P(SuffixTree, FindsTheLongestSuffixOfAnotherTextAcrossNoSeparator) {
  for (auto seed = 1u; seed <= 20; ++seed) {
    auto text = test::random_ids(40, GetParam(), seed);
    text.push_back(suffix_tree::separator);
    for (const auto t : test::random_ids(40, GetParam(), seed + 100))
      text.push_back(t);
    text.push_back(suffix_tree::separator);
    auto tree = suffix_tree{};
    tree.append(text);
    for (auto n = std::size_t{1}; n <= 12; ++n) {
      const auto other = test::random_ids(n, GetParam(), seed + 200);
      const auto expected = longest_suffix(text, other, 1);
      const auto m = tree.find_suffix(other);
      ASSERT_EQ(m.length, expected.size());
      if (m.length != 0) {
        ASSERT_EQ(next_of(tree, m), next_by_search(text, expected));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Vocabularies, SuffixTree, testing::Values(2u, 3u, 8u, 60u));

TEST(SuffixTreeOfOneToken, IsBuiltInTimeAlthoughEverySuffixRepeats) {
  auto tree = suffix_tree{};
  tree.append(ids(200'000, 7u)); // each token would have a step for each one before it
  EXPECT_EQ(tree.repeated_suffix().length, 199'999u);
  EXPECT_EQ(tree.find_suffix(ids{7, 7, 7}).length, 3u);
  EXPECT_EQ(tree.find_suffix(ids{7, 8}).length, 0u);
}

TEST(SuffixTreeOfNothing, HasNoMatch) {
  EXPECT_EQ(suffix_tree{}.repeated_suffix().length, 0u);
  EXPECT_EQ(suffix_tree{}.find_suffix(ids{1, 2}).length, 0u);
}

} // namespace
} // namespace larql::speculation
