// Mirrors actors/policy/running_clock.hpp.

#include "actors/policy/running_clock.hpp"

#include <gtest/gtest.h>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;

const auto start = running_clock::time{} + 1h;

TEST(RunningClock, CountsAllTimeWhileLooksComeWhenTheyAreExpected) {
  auto c = running_clock{20ms};
  EXPECT_EQ(c.look(start), start);
  c.expect(start + 100ms);
  EXPECT_EQ(c.look(start + 60ms), start + 60ms);
  EXPECT_EQ(c.look(start + 119ms), start + 119ms);
  EXPECT_EQ(c.stops(), 0u);
}

TEST(RunningClock, WhatALookIsLateByIsNotCounted) {
  auto c = running_clock{20ms};
  c.look(start);
  c.expect(start + 100ms);
  EXPECT_EQ(c.look(start + 12s), start + 100ms);
  EXPECT_EQ(c.stops(), 1u);
  c.rest();
  EXPECT_EQ(c.look(start + 12s + 5ms), start + 105ms);
  c.expect(start + 200ms);
  EXPECT_EQ(c.look(start + 12s + 100ms), start + 200ms);
  EXPECT_EQ(c.stops(), 1u);
}

TEST(RunningClock, NeverGoesBack) {
  auto c = running_clock{20ms};
  c.look(start);
  c.expect(start + 100ms);
  EXPECT_EQ(c.look(start + 115ms), start + 115ms); // something else came; the look is yet to come
  EXPECT_EQ(c.look(start + 5s), start + 115ms);
  EXPECT_EQ(c.look(start + 5s + 10ms), start + 125ms);
}

TEST(RunningClock, WithoutALookThatIsExpectedAllTimeCounts) {
  auto c = running_clock{20ms};
  c.look(start);
  EXPECT_EQ(c.look(start + 1h), start + 1h);
}

TEST(RunningClock, GoesOnEvenIfEveryLookIsLate) {
  auto c = running_clock{20ms};
  auto now = c.look(start);
  auto clock = start;
  for (auto i = 0; i < 10; ++i) {
    c.expect(now + 250ms);
    clock += 1s;
    now = c.look(clock);
    c.rest();
  }
  EXPECT_EQ(now, start + 2500ms);
  EXPECT_EQ(c.stops(), 10u);
}

} // namespace
} // namespace larql::actors
