// Mirrors actors/policy/stall_tolerant_deadline.hpp.

#include "actors/policy/stall_tolerant_deadline.hpp"

#include <gtest/gtest.h>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;

const auto start = stall_tolerant_deadline::time{} + 1h;

TEST(StallTolerantDeadline, EndsAfterItsTime) {
  auto p = stall_tolerant_deadline{250ms, 100ms, start};
  EXPECT_EQ(p.next(), start + 100ms);
  EXPECT_TRUE(p.look(start + 100ms));
  EXPECT_TRUE(p.look(start + 200ms));
  EXPECT_EQ(p.next(), start + 250ms);
  EXPECT_FALSE(p.look(start + 250ms));
}

TEST(StallTolerantDeadline, AnEarlyLookCountsWhatHasPassed) {
  auto p = stall_tolerant_deadline{20ms, 100ms, start};
  EXPECT_TRUE(p.look(start + 5ms));
  EXPECT_EQ(p.next(), start + 20ms);
  EXPECT_FALSE(p.look(start + 20ms));
}

TEST(StallTolerantDeadline, TimeInWhichTheProcessWasStoppedIsNotCounted) {
  auto p = stall_tolerant_deadline{250ms, 100ms, start};
  EXPECT_TRUE(p.look(start + 1h));
  EXPECT_EQ(p.next(), start + 1h + 100ms);
  EXPECT_TRUE(p.look(start + 2h));
  EXPECT_FALSE(p.look(start + 3h));
}

} // namespace
} // namespace larql::actors
