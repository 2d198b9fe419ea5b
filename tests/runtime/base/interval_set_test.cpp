// Mirrors runtime/base/interval_set.hpp.

#include "runtime/base/interval_set.hpp"

#include <gtest/gtest.h>

#include <random>

namespace larql {
namespace {

interval_set of(std::initializer_list<interval> list) {
  auto out = interval_set{};
  for (const auto i : list)
    out.add(i);
  return out;
}

TEST(IntervalSet, JoinsWhatTouchesOrOverlaps) {
  EXPECT_EQ(of({{0, 5}, {5, 8}}), of({{0, 8}}));
  const auto all = of({{10, 20}, {30, 40}, {0, 5}, {15, 32}});
  EXPECT_EQ(all.intervals(), (std::vector<interval>{{0, 5}, {10, 40}}));
  EXPECT_EQ(all.bytes(), 35u);
}

TEST(IntervalSet, RemovingSplits) {
  auto s = of({{0, 10}, {20, 30}});
  s.remove({5, 25});
  EXPECT_EQ(s, of({{0, 5}, {25, 30}}));
  s.remove({1, 2});
  EXPECT_EQ(s, of({{0, 1}, {2, 5}, {25, 30}}));
  s.remove({0, 100});
  EXPECT_TRUE(s.empty());
}

TEST(IntervalSet, KnowsWhatIsMissing) {
  const auto wanted = of({{0, 100}});
  EXPECT_EQ(wanted.without(of({{10, 20}, {90, 200}})), of({{0, 10}, {20, 90}}));
  EXPECT_TRUE(wanted.contains(of({{10, 20}, {30, 40}})));
  EXPECT_FALSE(wanted.contains(of({{90, 101}})));
  EXPECT_TRUE(interval_set{}.contains({}));
}

TEST(IntervalSet, BehavesLikeASetOfBytes) {
  auto random = std::mt19937{1};
  auto s = interval_set{};
  auto bytes = std::vector<bool>(64);
  for (auto step = 0; step < 5000; ++step) {
    const auto a = random() % 64, b = a + random() % (65 - a);
    const auto adds = random() % 2 == 0;
    adds ? s.add({a, b}) : s.remove({a, b});
    for (auto i = a; i < b; ++i)
      bytes[i] = adds;
    auto found = std::vector<bool>(64);
    auto last_end = std::uint64_t{0};
    for (const auto i : s.intervals()) {
      ASSERT_LT(i.begin, i.end);
      ASSERT_TRUE(i.begin > last_end || last_end == 0);
      last_end = i.end;
      for (auto at = i.begin; at < i.end; ++at)
        found[at] = true;
    }
    ASSERT_EQ(found, bytes) << "step " << step;
  }
}

} // namespace
} // namespace larql
