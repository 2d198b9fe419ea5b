// Mirrors runtime/base/backoff.hpp.

#include "runtime/base/backoff.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace larql {
namespace {

using namespace std::chrono_literals;

constexpr auto b = backoff{100ms, 10000ms};

TEST(Backoff, DoublesFromTheFirstDelay) {
  EXPECT_EQ(backoff_delay(b, 0, 0), 50ms);
  EXPECT_EQ(backoff_delay(b, 1, 0), 100ms);
  EXPECT_EQ(backoff_delay(b, 2, 0), 200ms);
  EXPECT_EQ(backoff_delay(b, 5, 0), 1600ms);
}

TEST(Backoff, JitterIsUpToHalfOfTheDelay) {
  EXPECT_EQ(backoff_delay(b, 1, 0.5), 150ms);
  EXPECT_LT(backoff_delay(b, 1, 0.999999), 200ms);
  EXPECT_GE(backoff_delay(b, 1, 0.999999), 199ms);
}

TEST(Backoff, NeverExceedsTheMaximumHoweverManyAttempts) {
  for (const auto attempt :
       {7u, 8u, 30u, 31u, 64u, 1000000u, std::numeric_limits<unsigned>::max()}) {
    EXPECT_GE(backoff_delay(b, attempt, 0), 5000ms) << attempt;
    EXPECT_LE(backoff_delay(b, attempt, 0.999999), 10000ms) << attempt;
  }
}

TEST(Backoff, LongFirstDelaysDoNotOverflow) {
  EXPECT_EQ(backoff_delay({3600000ms, 3600000ms}, std::numeric_limits<unsigned>::max(), 0),
            1800000ms);
}

TEST(Backoff, AFirstDelayAboveTheMaximumIsCut) {
  EXPECT_EQ(backoff_delay({500ms, 100ms}, 0, 0), 50ms);
}

} // namespace
} // namespace larql
