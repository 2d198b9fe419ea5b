// Mirrors actors/policy/restart_budget.hpp.

#include "actors/policy/restart_budget.hpp"

#include <gtest/gtest.h>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;

constexpr auto start = restart_budget::time{} + 1h;

TEST(RestartBudget, AllowsSoManyWithinTheWindowAndNotOneMore) {
  auto b = restart_budget{3, 60s};
  EXPECT_TRUE(b.allow(start));
  EXPECT_TRUE(b.allow(start + 1s));
  EXPECT_TRUE(b.allow(start + 2s));
  EXPECT_FALSE(b.allow(start + 3s));
  EXPECT_EQ(b.recent(), 3u);
}

TEST(RestartBudget, OldRestartsAreForgotten) {
  auto b = restart_budget{2, 60s};
  EXPECT_TRUE(b.allow(start));
  EXPECT_TRUE(b.allow(start + 30s));
  EXPECT_FALSE(b.allow(start + 60s)); // the first is exactly as old as the window
  EXPECT_TRUE(b.allow(start + 61s));
  EXPECT_FALSE(b.allow(start + 62s));
  EXPECT_EQ(b.recent(), 2u);
}

TEST(RestartBudget, ARefusalDoesNotCount) {
  auto b = restart_budget{1, 10s};
  EXPECT_TRUE(b.allow(start));
  for (auto i = 1; i <= 10; ++i)
    EXPECT_FALSE(b.allow(start + i * 1s));
  EXPECT_TRUE(b.allow(start + 11s));
}

TEST(RestartBudget, NoneMeansNone) {
  auto b = restart_budget{0, 10s};
  EXPECT_FALSE(b.allow(start));
}

} // namespace
} // namespace larql::actors
