// Mirrors actors/policy/placement.hpp.

#include "actors/policy/placement.hpp"

#include <gtest/gtest.h>

namespace larql::actors {
namespace {

using experts::index_range;
using experts::ownership;

constexpr auto layers = 6u, all = 16u;

std::optional<index_range> choose(const std::vector<ownership>& owned, std::uint64_t fits) {
  return choose_placement(owned, layers, all, {fits * 100 + 99, 100});
}

TEST(Assignment, TheFirstNodeGetsAsMuchAsItHasRoomFor) {
  EXPECT_EQ(choose({}, 5), (index_range{0, 4}));
  EXPECT_EQ(choose({}, 16), (index_range{0, 15}));
  EXPECT_EQ(choose({}, 1000), (index_range{0, 15}));
}

TEST(Assignment, ANodeWithoutRoomForOneExpertGetsNothing) {
  EXPECT_EQ(choose({}, 0), std::nullopt);
}

TEST(Assignment, NothingMissingIsNothingToDo) {
  EXPECT_EQ(choose({{{0, 5}, {0, 7}}, {{0, 5}, {8, 15}}}, 5), std::nullopt);
}

TEST(Assignment, TheFirstGapIsFilledUpToItsEnd) {
  const auto owned = std::vector<ownership>{{{0, 5}, {0, 2}}, {{0, 5}, {6, 10}}};
  EXPECT_EQ(choose(owned, 2), (index_range{3, 4}));
  EXPECT_EQ(choose(owned, 100), (index_range{3, 5}));
}

TEST(Assignment, TheNextGapComesNext) {
  const auto owned = std::vector<ownership>{{{0, 5}, {0, 2}}, {{0, 5}, {6, 10}}, {{0, 5}, {3, 5}}};
  EXPECT_EQ(choose(owned, 100), (index_range{11, 15}));
}

TEST(Assignment, AnExpertThatIsMissingInOneLayerIsMissing) {
  EXPECT_EQ(choose({{{0, 4}, {0, 15}}}, 100), (index_range{0, 15}));
  EXPECT_EQ(choose({{{0, 4}, {0, 15}}, {{5, 5}, {0, 9}}}, 100), (index_range{10, 15}));
}

TEST(Assignment, SuccessiveOffersCoverTheModelWithoutOverlap) {
  for (auto fits = 1u; fits <= all; ++fits) {
    auto owned = std::vector<ownership>{};
    auto next = 0u;
    while (const auto range = choose(owned, fits)) {
      EXPECT_EQ(range->first, next);
      EXPECT_LE(range->count(), fits);
      next = range->last + 1;
      owned.push_back({{0, layers - 1}, *range});
      ASSERT_LE(owned.size(), all);
    }
    EXPECT_EQ(next, all);
  }
}

} // namespace
} // namespace larql::actors
