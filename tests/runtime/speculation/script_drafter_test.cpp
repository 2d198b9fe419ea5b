// Mirrors runtime/speculation/script_drafter.hpp.

#include "runtime/speculation/script_drafter.hpp"

#include "tests/support/run_model.hpp"

#include <gtest/gtest.h>

namespace larql::speculation {
namespace {

using ids = std::vector<std::uint32_t>;

TEST(ScriptDrafter, IsRightAsOftenAsItIsSaidAndTheSameInEveryRun) {
  const auto text = test::random_ids(20'000, 128);
  for (const auto right : {0.0, 0.5, 0.85, 1.0}) {
    auto source = script_source{text, 128, right};
    const auto d = source.begin(""), again = source.begin("x");
    auto drafted = std::size_t{0}, hits = std::size_t{0};
    for (auto at = std::size_t{1}; at < text.size(); at += 31) {
      auto tree = generate::draft_tree{}, same = generate::draft_tree{};
      d->propose({std::span{text}.first(at)}, 31, tree);
      again->propose({std::span{text}.first(at)}, 31, same);
      ASSERT_EQ(tree, same);
      for (auto i = std::size_t{0}; i < tree.size(); ++i) {
        ASSERT_LT(tree.tokens[i], 128u);
        ++drafted;
        hits += tree.tokens[i] == text[at + i] ? 1 : 0;
      }
    }
    EXPECT_EQ(drafted, text.size() - 1);
    EXPECT_NEAR(static_cast<double>(hits) / static_cast<double>(drafted), right, 0.01);
  }
}

TEST(ScriptDrafter, HasNothingBehindItsText) {
  auto source = script_source{{1, 2, 3}, 8, 1.0};
  auto tree = generate::draft_tree{};
  source.begin("")->propose({ids{1, 2}}, 31, tree);
  EXPECT_EQ(tree.tokens, ids{3});
  source.begin("")->propose({ids{1, 2, 3}}, 31, tree);
  EXPECT_TRUE(tree.empty());
}

} // namespace
} // namespace larql::speculation
