// Mirrors actors/policy/call_timing.hpp.

#include "actors/policy/call_timing.hpp"

#include <gtest/gtest.h>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;

topology::deadlines limits() {
  auto out = topology::deadlines{};
  out.call_floor = 50ms;
  out.call_ceiling = 10s;
  out.call_factor = 4;
  return out;
}

/// Calls of `units` units that each took `total`, of which `compute` in kernels.
call_timing timing_of(unsigned calls, std::uint32_t units, std::chrono::nanoseconds total,
                      std::chrono::nanoseconds compute) {
  auto t = call_timing{};
  for (auto i = 0u; i < calls; ++i)
    t.add({units, total, compute, 0ns, t.expected_us(units)});
  return t;
}

TEST(RecentValues, NoNumbersHaveNoQuantile) {
  EXPECT_EQ(recent_values{}.quantile(0.5), 0);
}

TEST(RecentValues, AQuantileIsTheValueAtItsPlace) {
  auto v = recent_values{};
  for (auto i = 100; i >= 0; --i)
    v.add(static_cast<float>(i));
  EXPECT_EQ(v.quantile(0), 0);
  EXPECT_EQ(v.quantile(0.5), 50);
  EXPECT_EQ(v.quantile(0.99), 99);
  EXPECT_EQ(v.quantile(1), 100);
}

TEST(RecentValues, OldNumbersAreForgotten) {
  auto v = recent_values{};
  for (auto i = 0; i < 256; ++i)
    v.add(1e6f);
  for (auto i = 0; i < 256; ++i)
    v.add(3);
  EXPECT_EQ(v.size(), 256u);
  EXPECT_EQ(v.quantile(1), 3);
}

TEST(CallTiming, QueueingAtABusyNodeIsNotTakenForOverhead) {
  auto t = timing_of(100, 4, 1400us, 1000us);
  EXPECT_NEAR(t.overhead_us(), 400, 1);
  for (auto i = 0; i < 50; ++i)
    t.add({4, 21400us, 1000us, 20ms, t.expected_us(4)});
  EXPECT_NEAR(t.overhead_us(), 400, 1);
  EXPECT_NEAR(t.unit_us(), 250, 1);
  EXPECT_NEAR(t.expected_us(4), 21400, 100);
}

TEST(CallTiming, QueueingIsForgottenAfterAFewCalls) {
  auto t = timing_of(100, 4, 1400us, 1000us);
  t.add({4, 21400us, 1000us, 20ms, t.expected_us(4)});
  for (auto i = 0; i < 20; ++i)
    t.add({4, 1400us, 1000us, 0ns, t.expected_us(4)});
  EXPECT_NEAR(t.expected_us(4), 1400, 20);
}

TEST(CallTiming, ANodeThatClaimsToHaveQueuedForLongerThanTheCallTookIsNotBelieved) {
  auto t = timing_of(100, 4, 1400us, 1000us);
  t.add({4, 1400us, 1000us, std::chrono::hours{1}, t.expected_us(4)});
  EXPECT_GE(t.overhead_us(), 0);
  EXPECT_LE(t.queue_us(), 400);
}

/// A node 45 ms away behind 12.5 MB/s: small calls, then some of a megabyte each.
call_timing far_timing() {
  auto t = timing_of(100, 4, 46ms, 1ms);
  for (auto i = 0; i < 50; ++i)
    t.add({4, 46ms + 80ms, 1ms, 0ns, t.expected_us(4, 1'000'000), 1'000'000});
  return t;
}

TEST(CallTiming, BytesTakeAsLongAsWasMeasuredAndAreNotTakenForOverhead) {
  const auto t = far_timing();
  EXPECT_NEAR(t.overhead_us(), 45'000, 50);
  EXPECT_NEAR(t.expected_us(4), 46'000, 100);
  EXPECT_NEAR(t.expected_us(4, 1'000'000), 126'000, 500);
  EXPECT_NEAR(t.expected_us(4, 3'000'000), 286'000, 1500) << "two calls are under way before it";
}

TEST(CallTiming, DeadlinesAndHedgesAllowForTheBytesThatAreUnderWay) {
  const auto t = far_timing();
  EXPECT_GT(t.deadline(4, limits(), 3'000'000), 2 * t.deadline(4, limits(), 1'000'000));
  EXPECT_GT(t.slow_after(4, 0.95, 3'000'000), t.slow_after(4, 0.95, 1'000'000) + 100ms);
  EXPECT_GT(t.deadline(4, limits(), 1'000'000'000), 85s) << "beyond the ceiling";
  EXPECT_LT(2 * t.deadline(4, limits()), t.deadline(4, limits(), 1'000'000));
}

TEST(CallTiming, AfterALargeFirstCallTheFirstSmallOneSaysWhatTheOverheadIs) {
  auto t = call_timing{};
  t.add({4, 500ms, 1ms, 0ns, t.expected_us(4, 1'000'000), 1'000'000});
  t.add({4, 46ms, 1ms, 0ns, t.expected_us(4)});
  EXPECT_NEAR(t.overhead_us(), 45'000, 1);
}

TEST(CallTiming, ANodeThatWasNeverAskedGetsTheCeiling) {
  EXPECT_TRUE(call_timing{}.is_cold());
  EXPECT_EQ(call_timing{}.deadline(5, limits()), 10s);
  EXPECT_EQ(call_timing{}.slow_after(5, 0.95), 0us);
}

TEST(CallTiming, SixteenAnswersAreEnoughToConcludeFrom) {
  EXPECT_TRUE(timing_of(15, 4, 20ms, 10ms).is_cold());
  EXPECT_EQ(timing_of(15, 4, 20ms, 10ms).deadline(4, limits()), 10s);
  const auto t = timing_of(16, 4, 20ms, 10ms);
  EXPECT_FALSE(t.is_cold());
  EXPECT_LT(t.deadline(4, limits()), 10s);
}

TEST(CallTiming, OverheadAndTimePerUnitAreToldApart) {
  const auto t = timing_of(300, 10, 12ms, 10ms);
  EXPECT_NEAR(t.overhead_us(), 2000, 10);
  EXPECT_NEAR(t.unit_us(), 1000, 10);
  EXPECT_NEAR(t.expected_us(50), 52000, 500); // a call five times as large
}

TEST(CallTiming, TheFirstMeasurementReplacesTheGuess) {
  const auto t = timing_of(1, 10, 12ms, 10ms);
  EXPECT_NEAR(t.overhead_us(), 2000, 1);
  EXPECT_NEAR(t.unit_us(), 1000, 1);
}

TEST(CallTiming, TheDeadlineIsAMultipleOfTheSlowestPercent) {
  const auto t = timing_of(300, 10, 100ms, 80ms); // every call as expected
  const auto deadline = t.deadline(10, limits());
  EXPECT_GE(deadline, 380ms);
  EXPECT_LE(deadline, 420ms);
}

TEST(CallTiming, AFewSlowCallsRaiseTheDeadline) {
  auto t = timing_of(300, 10, 100ms, 80ms);
  const auto before = t.deadline(10, limits());
  for (auto i = 0; i < 5; ++i) // two of a hundred of the window
    t.add({.units = 10, .total = 500ms, .compute = 80ms, .expected_us = 100000});
  EXPECT_GT(t.deadline(10, limits()), 3 * before);
}

TEST(CallTiming, AFastNodeGetsTheFloor) {
  EXPECT_EQ(timing_of(300, 10, 200us, 100us).deadline(10, limits()), 50ms);
}

TEST(CallTiming, ASlowNodeGetsTheCeilingAndNotMore) {
  EXPECT_EQ(timing_of(300, 10, 8s, 7s).deadline(1000, limits()), 10s);
  EXPECT_EQ(timing_of(300, 1, 1h, 1h).deadline(~0u, limits()), 10s);
}

TEST(CallTiming, ALargeCallGetsMoreTimeThanASmallOne) {
  const auto t = timing_of(300, 10, 100ms, 90ms);
  EXPECT_GT(t.deadline(100, limits()), 5 * t.deadline(10, limits()));
}

TEST(CallTiming, KernelsThatClaimMoreThanTheCallTookAreNotBelieved) {
  const auto t = timing_of(300, 10, 10ms, 1h); // a node may say anything
  EXPECT_NEAR(t.unit_us(), 1000, 10);
  EXPECT_NEAR(t.overhead_us(), 0, 10);
  EXPECT_LE(t.deadline(10, limits()), 50ms);
}

TEST(CallTiming, CallsWithoutUnitsAndWithoutTimeAreHarmless) {
  const auto t = timing_of(300, 0, 0ns, 0ns);
  EXPECT_EQ(t.deadline(0, limits()), 50ms);
  EXPECT_GE(t.slow_after(0, 0.95), 0us);
}

TEST(CallTiming, ACallIsSlowBeyondItsQuantile) {
  auto t = timing_of(300, 10, 100ms, 80ms);
  EXPECT_NEAR(static_cast<double>(t.slow_after(10, 0.95).count()), 100000, 2000);
  EXPECT_LT(t.slow_after(10, 0.95), t.deadline(10, limits()));
}

} // namespace
} // namespace larql::actors
