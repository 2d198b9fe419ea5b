#include "cli/laptop/wan_bound.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

// Thirty round trips of 45 ms; a row's bytes of two nodes at 100 Mbit/s down and 40 up.
constexpr auto link = link_numbers{0.045, 5e6, 12.5e6};

row_costs one_row() {
  return {30, 30 * 6'200, 30 * 28'200, 0.020, 0.010, 0.030};
}

row_costs times(row_costs c, double n) {
  for (auto* part : {&c.bytes_up, &c.bytes_down, &c.before, &c.meanwhile, &c.nodes})
    *part *= n;
  return c;
}

TEST(WanBound, APassTakesItsRoundTripsItsBytesAndItsComputing) {
  // 1.35 s of round trips, 37 ms up, 68 ms down, 30 ms of kernels, 20 ms here.
  EXPECT_NEAR(least_pass_seconds(link, one_row()), 1.35 + 0.0372 + 0.06768 + 0.030 + 0.020, 1e-9);
}

TEST(WanBound, WhatIsComputedMeanwhileCountsOnlyIfItTakesLonger) {
  auto c = one_row();
  c.meanwhile = 3;
  EXPECT_NEAR(least_pass_seconds(link, c), 3.020, 1e-9);
}

TEST(WanBound, APromptTakesWhatIsBusiestBehindTheFirstRoundTrips) {
  const auto c = times(one_row(), 100);
  // The bytes down: 84.6 MB at 12.5 MB/s; then this machine's 3 s, then the bytes up.
  EXPECT_NEAR(least_prompt_seconds(link, c), 84.6e6 / 12.5e6 + 1.35, 1e-6);
  auto slow = c;
  slow.before = 9;
  EXPECT_NEAR(least_prompt_seconds(link, slow), 9 + 1 + 1.35, 1e-6);
}

TEST(WanBound, ARoundOfSessionsTakesOnePassOrWhatIsBusiest) {
  const auto eight = times(one_row(), 8);
  EXPECT_NEAR(least_round_seconds(link, eight, 8), least_pass_seconds(link, one_row()), 1e-9)
      << "the link carries eight rows in the time of one";
  const auto many = times(one_row(), 64);
  EXPECT_NEAR(least_round_seconds(link, many, 64), 64 * 30 * 28'200 / 12.5e6, 1e-6);
  EXPECT_NEAR(least_round_seconds(link, eight, 1), least_pass_seconds(link, eight), 1e-9);
}

TEST(WanBound, ALinkWithoutRatesCostsItsRoundTripsOnly) {
  EXPECT_EQ(transfer_seconds({0.045, 0, 0}, one_row()), 0);
}

} // namespace
} // namespace larql::cli
