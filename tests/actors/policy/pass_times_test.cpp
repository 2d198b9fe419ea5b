// Mirrors actors/policy/pass_times.hpp.

#include "actors/policy/pass_times.hpp"

#include <gtest/gtest.h>

namespace larql::actors {
namespace {

using std::chrono::milliseconds;

TEST(PassTimes, KnowNothingBeforeTheFirstPass) {
  const auto t = pass_times{};
  EXPECT_FALSE(t.of(1));
  EXPECT_EQ(t.rows_within(milliseconds{1}, 100), 100u);
}

TEST(PassTimes, GoInAStraightLineBetweenWhatWasSeen) {
  auto t = pass_times{};
  t.add(8, milliseconds{100});
  t.add(64, milliseconds{212});
  EXPECT_EQ(t.of(8), milliseconds{100});
  EXPECT_EQ(t.of(36), milliseconds{156});
  EXPECT_EQ(t.of(2), milliseconds{100}) << "no less than the smallest that was seen";
  EXPECT_EQ(t.of(128), milliseconds{424}) << "in proportion beyond the largest";
}

TEST(PassTimes, FollowAMachineThatBecomesSlower) {
  auto t = pass_times{};
  for (auto i = 0; i < 10; ++i)
    t.add(4, milliseconds{40});
  for (auto i = 0; i < 30; ++i)
    t.add(4, milliseconds{80});
  EXPECT_GT(*t.of(4), milliseconds{79});
}

TEST(PassTimes, RowsWithinALimitAreTheMostThatKeepIt) {
  auto t = pass_times{};
  t.add(8, milliseconds{100});
  t.add(64, milliseconds{212}); // 2 ms a row
  EXPECT_EQ(t.rows_within(milliseconds{150}, 256), 33u);
  EXPECT_EQ(t.rows_within(milliseconds{150}, 20), 20u);
  EXPECT_EQ(t.rows_within(milliseconds{1}, 256), 1u) << "something goes on at any price";
}

// ---- budget -------------------------------------------------------------------------------------

pass_times measured() {
  auto t = pass_times{};
  t.add(1, milliseconds{40});
  t.add(8, milliseconds{100});
  t.add(64, milliseconds{324}); // 4 ms a row
  t.add(256, milliseconds{1092});
  return t;
}

TEST(PassBudget, PromptsAloneAreReadInWholeChunks) {
  EXPECT_EQ(pass_budget(measured(), {0, 4096, 0, 0}, 3, 256), 256u);
  EXPECT_EQ(pass_budget(measured(), {0, 10, 0, 0}, 3, 256), 10u);
  EXPECT_EQ(pass_budget({}, {0, 4096, 0, 0}, 3, 256), 256u);
}

TEST(PassBudget, WhileOthersDecodeAPassTakesNoLongerThanTheFactorAllows) {
  const auto t = measured();
  for (const auto decoding : {1u, 8u}) {
    const auto alone = *t.of(decoding);
    for (const auto factor : {2.0, 3.0, 5.0}) {
      const auto n = pass_budget(t, {decoding, 4096, decoding, 1}, factor, 256);
      EXPECT_GT(n, decoding);
      EXPECT_LE(*t.of(n), alone * factor);
      EXPECT_GT(*t.of(n), alone * factor * 0.8) << "and uses what it allows";
    }
  }
}

TEST(PassBudget, IsAGuessBeforeAnythingWasMeasured) {
  const auto n = pass_budget({}, {4, 4096, 4, 1}, 3, 256);
  EXPECT_GT(n, 4u);
  EXPECT_LE(n, 64u);
}

TEST(PassBudget, AllWhoDecodeAreServedWhenEveryClientHasAsMany) {
  EXPECT_EQ(pass_budget(measured(), {64, 0, 8, 8}, 3, 256), 64u);
  EXPECT_EQ(pass_budget(measured(), {1, 0, 1, 1}, 3, 256), 1u);
}

TEST(PassBudget, ManyAnswersOfOneClientSlowAnotherDownByTheFactorAtMost) {
  const auto t = measured();
  const auto n = pass_budget(t, {65, 0, 2, 1}, 3, 256);
  EXPECT_LT(n, 65u);
  EXPECT_LE(*t.of(n), *t.of(2) * 3);
  EXPECT_EQ(pass_budget(t, {65, 0, 1, 65}, 3, 256), 65u) << "nobody else is there";
}

} // namespace
} // namespace larql::actors
