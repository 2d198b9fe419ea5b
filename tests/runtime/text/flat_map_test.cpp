// Mirrors runtime/text/flat_map.hpp.

#include "runtime/text/flat_map.hpp"

#include <gtest/gtest.h>

namespace larql::text {
namespace {

using insertion = flat_map<int>::insertion;

TEST(FlatMap, FindsWhatWasInserted) {
  auto map = flat_map<int>{};
  EXPECT_EQ(map.find(7), nullptr);
  for (auto key = 0; key < 10'000; ++key)
    ASSERT_EQ(map.insert(static_cast<std::uint64_t>(key) << 32, key), insertion::done);
  EXPECT_EQ(map.size(), 10'000u);
  for (auto key = 0; key < 10'000; ++key)
    ASSERT_EQ(*map.find(static_cast<std::uint64_t>(key) << 32), key);
  EXPECT_EQ(map.find(1), nullptr);
}

TEST(FlatMap, KeepsTheFirstValueOfAKey) {
  auto map = flat_map<int>{};
  EXPECT_EQ(map.insert(3, 1), insertion::done);
  EXPECT_EQ(map.insert(3, 2), insertion::present);
  EXPECT_EQ(*map.find(3), 1);
  EXPECT_EQ(map.size(), 1u);
}

// The inverse of the finaliser in flat_map: keys that all belong into one place.
std::uint64_t key_with_mix(std::uint64_t mixed) {
  const auto inverse = [](std::uint64_t odd) { // Newton's iteration modulo 2^64
    auto x = odd;
    for (auto i = 0; i < 6; ++i)
      x *= 2 - odd * x;
    return x;
  };
  mixed *= inverse(0xc4ceb9fe1a85ec53u);
  mixed ^= mixed >> 33;
  mixed *= inverse(0xff51afd7ed558ccdu);
  return mixed ^ (mixed >> 33);
}

TEST(FlatMap, RefusesKeysMadeToCollide) {
  auto map = flat_map<int>{};
  auto refused = 0;
  for (auto i = 0; i < 2000; ++i)
    refused += map.insert(key_with_mix(static_cast<std::uint64_t>(i)), i) == insertion::crowded;
  EXPECT_GT(refused, 0) << "otherwise lookups would become quadratic";
  EXPECT_LT(refused, 2000);
}

} // namespace
} // namespace larql::text
