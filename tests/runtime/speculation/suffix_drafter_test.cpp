// Mirrors runtime/speculation/suffix_drafter.hpp.

#include "runtime/speculation/suffix_drafter.hpp"

#include "tests/support/run_model.hpp"

#include <gtest/gtest.h>

namespace larql::speculation {
namespace {

using ids = std::vector<std::uint32_t>;

generate::draft_tree propose(drafter& d, const ids& text, std::size_t most = 31) {
  auto out = generate::draft_tree{};
  d.propose({text}, most, out);
  return out;
}

TEST(SuffixDrafter, QuotesWhatStandsInThePrompt) {
  auto source = suffix_source{};
  const auto d = source.begin("");
  auto text = test::random_ids(200, 100'000);
  const auto quoted = ids{text.begin() + 50, text.begin() + 60};
  text.insert(text.end(), quoted.begin(), quoted.end());
  const auto tree = propose(*d, text, 8);
  EXPECT_EQ(tree, [&] {
    auto chain = generate::draft_tree::chain(ids{text.begin() + 60, text.begin() + 68});
    chain.chances = tree.chances;
    return chain;
  }());
  EXPECT_GT(tree.chances.front(), 0.5f);
  EXPECT_GT(tree.chances.back(), tree.chances.front()) << "the match has become longer";
}

TEST(SuffixDrafter, SaysNothingOfATextThatIsNew) {
  auto source = suffix_source{};
  auto text = ids{};
  for (auto i = 0u; i < 50; ++i)
    text.push_back(i);
  EXPECT_TRUE(propose(*source.begin(""), text).empty());
  text.push_back(7); // one token that was there says too little
  EXPECT_TRUE(propose(*source.begin(""), text).empty());
}

TEST(SuffixDrafter, GivesATreeWhereTheTextWentOnInSeveralWays) {
  auto source = suffix_source{};
  const auto text = ids{1, 2, 3, 4, 9, 1, 2, 3, 5, 8, 1, 2, 3, 4, 7, 1, 2, 3};
  const auto tree = propose(*source.begin(""), text);
  const auto four = tree.child(-1, 4), five = tree.child(-1, 5);
  ASSERT_GE(four, 0);
  ASSERT_GE(five, 0);
  EXPECT_LT(four, five) << "twice, and once";
  EXPECT_GT(tree.chances[static_cast<std::size_t>(four)],
            tree.chances[static_cast<std::size_t>(five)]);
  EXPECT_GE(tree.child(four, 9), 0);
  EXPECT_GE(tree.child(four, 7), 0);
  EXPECT_EQ(tree.child(five, 9), -1);
  for (auto i = std::size_t{0}; i < tree.size(); ++i)
    EXPECT_LT(tree.parents[i], static_cast<std::int32_t>(i));
}

TEST(SuffixDrafter, FollowsATextThatGrows) {
  auto source = suffix_source{};
  const auto d = source.begin("");
  auto text = ids{1, 2, 3, 4, 5, 6, 1, 2};
  EXPECT_EQ(propose(*d, text, 2).tokens, (ids{3, 4}));
  text.insert(text.end(), {3, 4});
  EXPECT_EQ(propose(*d, text, 2).tokens, (ids{5, 6}));
}

TEST(SuffixDrafter, KnowsEarlierAnswersOfTheSameClientOnly) {
  auto source = suffix_source{};
  const auto first = source.begin("a"), other = source.begin("b");
  source.learn("a", ids{10, 11, 12, 13, 14});
  EXPECT_EQ(propose(*first, {1, 10, 11}, 3).tokens, (ids{12, 13, 14}));
  EXPECT_EQ(propose(*source.begin("a"), {2, 11, 12}, 3).tokens, (ids{13, 14}))
      << "nothing behind the end of an answer";
  EXPECT_TRUE(propose(*other, {1, 10, 11}).empty());
  EXPECT_TRUE(propose(*source.begin("b"), {1, 10, 11}).empty());
}

TEST(SuffixDrafter, ForgetsOldAnswersAndClientsBeyondItsBounds) {
  auto o = suffix_source::options{};
  o.most_remembered = 64;
  o.most_clients = 2;
  auto source = suffix_source{o};
  const auto d = source.begin("a");
  const auto answer_of = [](std::uint32_t first) {
    return ids{first, first + 1, first + 2, first + 3, first + 4, first + 5, first + 6};
  };
  for (auto i = 0u; i < 20; ++i)
    source.learn("a", answer_of(100 * i));
  EXPECT_FALSE(propose(*d, {1900, 1901}).empty());
  EXPECT_TRUE(propose(*source.begin("a"), {0, 1}).empty());
  (void) source.begin("b");
  (void) source.begin("c"); // in the place of "a"
  EXPECT_TRUE(propose(*source.begin("a"), {1900, 1901}).empty());
  source.learn("nobody", answer_of(5));
}

} // namespace
} // namespace larql::speculation
