// Mirrors runtime/base/quantile.hpp.

#include "runtime/base/quantile.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace larql {
namespace {

TEST(Quantile, IsTheNumberOfTheNearestRank) {
  auto numbers = std::vector<float>{5, 1, 4, 2, 3};
  EXPECT_EQ(quantile(numbers, 0), 1);
  EXPECT_EQ(quantile(numbers, 0.5), 3);
  EXPECT_EQ(quantile(numbers, 0.9), 5);
  EXPECT_EQ(quantile(numbers, 1), 5);
}

TEST(Quantile, OfOneNumberIsThatNumberAndOfNoneIsZero) {
  auto one = std::vector<float>{7};
  EXPECT_EQ(quantile(one, 0.5), 7);
  EXPECT_EQ(quantile({}, 0.5), 0);
}

} // namespace
} // namespace larql
