// Mirrors actors/policy/pass_times.hpp.

#include "actors/policy/pass_times.hpp"

#include <gtest/gtest.h>

namespace larql::actors {
namespace {

using std::chrono::milliseconds;

TEST(PassTimes, KnowNothingBeforeTheFirstPass) {
  EXPECT_FALSE(pass_times{}.decoding(1));
  EXPECT_EQ(pass_times{}.decoding_within(milliseconds{1}, 2, 2), 2u);
}

TEST(PassTimes, AreThoseOfAboutAsManyAnswersAndNoMore) {
  auto t = pass_times{};
  t.add(8, 0, milliseconds{100});
  EXPECT_EQ(t.decoding(8), milliseconds{100});
  EXPECT_EQ(t.decoding(12), milliseconds{100}) << "no less than these";
  EXPECT_FALSE(t.decoding(13));
  EXPECT_FALSE(t.decoding(7));
  t.add(500, 0, milliseconds{900});
  EXPECT_EQ(t.decoding(300), milliseconds{900});
}

TEST(PassTimes, FollowAMachineThatBecomesSlower) {
  auto t = pass_times{};
  for (auto i = 0; i < 10; ++i)
    t.add(4, 0, milliseconds{40});
  for (auto i = 0; i < 30; ++i)
    t.add(4, 0, milliseconds{80});
  EXPECT_GT(*t.decoding(4), milliseconds{79});
}

TEST(PassTimes, AFirstPassThatReadTheFilesIsSoonForgotten) {
  auto t = pass_times{};
  t.add(1, 0, milliseconds{9000});
  for (auto i = 0; i < 9; ++i)
    t.add(1, 0, milliseconds{40});
  EXPECT_LT(*t.decoding(1), milliseconds{60});
}

TEST(PassTimes, ATokenOfAPromptCostsWhatAPassTakesLonger) {
  auto t = pass_times{};
  t.add(8, 0, milliseconds{100});
  EXPECT_FALSE(t.reading_within(milliseconds{255}, 8));
  t.add(0, 256, milliseconds{1280}); // 5 ms each, alone
  EXPECT_EQ(t.reading_within(milliseconds{250}, 8), 30u);
  t.add(8, 30, milliseconds{220}); // 4 ms each, beside others
  EXPECT_EQ(t.reading_within(milliseconds{260}, 8), 40u);
  t.add(0, 256, milliseconds{1280});
  EXPECT_EQ(t.reading_within(milliseconds{260}, 8), 40u) << "that is what counts from then on";
  EXPECT_EQ(t.reading_within(milliseconds{50}, 8), 0u);
}

TEST(PassTimes, AnOverestimateCorrectsItself) {
  auto t = pass_times{};
  t.add(8, 0, milliseconds{100});
  t.add(8, 32, milliseconds{6500}); // pages came from the disk
  for (auto i = 0; i < 12; ++i) {
    const auto reads = std::max(1u, *t.reading_within(milliseconds{260}, 8));
    t.add(8, reads, milliseconds{100 + 4 * reads});
  }
  EXPECT_GE(*t.reading_within(milliseconds{260}, 8), 36u);
}

// ---- budget -------------------------------------------------------------------------------------

pass_times measured() {
  auto t = pass_times{};
  for (const auto& [answers, ms] : {std::pair{1u, 40},
                                    {2u, 50},
                                    {4u, 70},
                                    {8u, 100},
                                    {12u, 125},
                                    {16u, 150},
                                    {24u, 190},
                                    {32u, 230},
                                    {48u, 300},
                                    {64u, 360}})
    t.add(answers, 0, milliseconds{ms});
  t.add(8, 25, milliseconds{200}); // 4 ms each
  return t;
}

TEST(PassBudget, PromptsAloneAreReadInWholeChunks) {
  EXPECT_EQ(budget_of(measured(), {0, 4096, 0, 0}, 3, 256), (pass_budget{256}));
  EXPECT_EQ(budget_of(measured(), {0, 10, 0, 0}, 3, 256), (pass_budget{10}));
  EXPECT_EQ(budget_of({}, {0, 4096, 0, 0}, 3, 256), (pass_budget{256}));
}

TEST(PassBudget, WhileOthersDecodeAPassTakesNoLongerThanTheFactorAllows) {
  for (const auto& [answers, alone] : {std::pair{1u, 40.0}, {8u, 100.0}})
    for (const auto factor : {2.0, 3.0, 5.0}) {
      const auto n = budget_of(measured(), {answers, 4096, answers, 1}, factor, 256);
      EXPECT_TRUE(n.reads);
      const auto takes = alone + 4.0 * (n.rows - answers);
      EXPECT_LE(takes, alone * factor);
      EXPECT_GE(takes, alone * factor * 0.85) << "and uses what it allows";
    }
}

TEST(PassBudget, EachFurtherPromptThatWaitsMayStretchAPassAsMuch) {
  for (const auto& [waiting, most] : {std::pair{1.0, 300}, {2.0, 500}, {2.5, 600}, {4.0, 900}}) {
    const auto n = budget_of(measured(), {8, 4096, 8, 1, waiting}, 3, 256).rows;
    const auto fit = static_cast<unsigned>(most - 100) / 4; // of 4 ms each
    EXPECT_LE(n, 8 + fit) << waiting << " prompts";
    EXPECT_GE(n, 8 + fit * 9 / 10) << waiting << " prompts";
  }
  EXPECT_EQ(budget_of(measured(), {8, 4096, 8, 1, 40}, 3, 256).rows, 8u + 256) << "or a chunk";
}

TEST(PassBudget, AShortPromptMayStretchAPassMoreThanALongOne) {
  EXPECT_EQ(weight_of_prompt(100'000), 1);
  EXPECT_EQ(weight_of_prompt(2048), 1);
  EXPECT_EQ(weight_of_prompt(1024), 2);
  EXPECT_EQ(weight_of_prompt(512), 3);
  EXPECT_EQ(weight_of_prompt(1), 3);
  EXPECT_EQ(weight_of_prompt(0), 3);
}

TEST(PassBudget, APassShowsWhatDecodingTakesBeforePromptsSlowItDown) {
  EXPECT_EQ(budget_of({}, {4, 4096, 4, 1}, 3, 256), (pass_budget{4, false}));
  auto t = pass_times{};
  t.add(4, 0, milliseconds{50});
  const auto first = budget_of(t, {4, 4096, 4, 1}, 3, 256);
  EXPECT_TRUE(first.reads);
  EXPECT_GT(first.rows, 4u) << "a guess, as nobody knows what a token costs";
  EXPECT_LE(first.rows, 64u);
}

TEST(PassBudget, WhatDecodingTakesAloneIsMeasuredAgainNowAndThen) {
  auto t = measured();
  auto reads = 0;
  for (auto i = 0; i < 330; ++i) { // a prompt that is read while the machine becomes slower
    const auto n = budget_of(t, {8, 4096, 8, 1}, 3, 256);
    reads += n.reads ? 1 : 0;
    t.add(8, n.reads ? n.rows - 8 : 0, milliseconds{n.reads ? 150 + 6 * (n.rows - 8) : 150});
  }
  EXPECT_GE(reads, 318) << "which costs prompts little";
  EXPECT_GE(*t.decoding(8), milliseconds{145});
  EXPECT_GE(budget_of(t, {8, 4096, 8, 1}, 3, 256).rows, 8u + 45) << "300 ms for them";
}

TEST(PassTimes, OnePassThatWasHeldUpChangesLittle) {
  auto t = pass_times{};
  for (auto i = 0; i < 10; ++i)
    t.add(4, 0, milliseconds{40});
  t.add(4, 0, milliseconds{4000});
  EXPECT_LE(*t.decoding(4), milliseconds{50});
}

TEST(PassBudget, SomethingOfAPromptIsReadAtAnyPrice) {
  auto t = measured();
  for (auto i = 0; i < 20; ++i)
    t.add(8, 1, milliseconds{5000});
  EXPECT_EQ(budget_of(t, {8, 4096, 8, 1}, 3, 256), (pass_budget{9}));
}

TEST(PassBudget, AllWhoDecodeAreServedWhenEveryClientHasAsMany) {
  EXPECT_EQ(budget_of(measured(), {64, 0, 8, 8}, 3, 256), (pass_budget{64}));
  EXPECT_EQ(budget_of(measured(), {1, 0, 1, 1}, 3, 256), (pass_budget{1}));
}

TEST(PassBudget, ManyAnswersOfOneClientSlowAnotherDownByTheFactorAtMost) {
  const auto n = budget_of(measured(), {65, 0, 2, 1}, 3, 256).rows;
  EXPECT_GE(n, 12u);
  EXPECT_LE(n, 18u) << "three times what two answers take";
  EXPECT_EQ(budget_of(measured(), {65, 0, 1, 65}, 3, 256), (pass_budget{65}))
      << "nobody else is there";
}

TEST(PassBudget, WhatManyAnswersTakeIsFoundOutStepByStep) {
  auto t = pass_times{};
  t.add(2, 0, milliseconds{50});
  auto rows = 0u;
  for (auto i = 0; i < 12; ++i) {
    rows = budget_of(t, {65, 0, 2, 1}, 3, 256).rows;
    t.add(rows, 0, milliseconds{40 + 5 * rows});
  }
  EXPECT_GE(rows, 12u);
  EXPECT_LE(rows, 22u) << "150 ms";
}

} // namespace
} // namespace larql::actors
