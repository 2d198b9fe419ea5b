// Mirrors actors/session/scheduler_drafts.cpp: answers whose drafts are verified in passes with
// those of others, past the window and beside prompts, are those of a sequence of their own.

#include "tests/actors/session/session_fixture.hpp"

#include "runtime/speculation/suffix_drafter.hpp"
#include "tests/support/fake_experts.hpp"
#include "tests/support/late_experts.hpp"
#include "tests/support/noisy_drafts.hpp"

namespace larql::actors {
namespace {

using test::answer_of;
using test::ids;

class SchedulerDrafts : public test::scheduler_fixture {
protected:
  struct wanted {
    ids prompt;
    generate::generation_options how;
  };

  // Four answers, two of them sampled and with penalties; the windows of tiny models are 8 tokens.
  static std::vector<wanted> some_answers(std::uint64_t seed, std::size_t tokens = 40) {
    auto out = std::vector<wanted>{};
    for (auto i = 0u; i < 4; ++i) {
      auto o = answer_of(tokens, i % 2 == 0 ? 0.0f : 1.0f, seed + i);
      if (i >= 2) {
        o.sampling.repetition_penalty = 1.2f;
        o.sampling.frequency_penalty = 0.3f;
      }
      out.push_back({text(5 + 20 * i, seed + i), o});
    }
    return out;
  }

  void draft_for(const std::vector<wanted>& all, std::size_t drafts, std::uint64_t seed) {
    auto texts = std::vector<ids>{};
    for (const auto& w : all)
      texts.push_back(joined(w.prompt, alone(w.prompt, w.how)));
    options_.speculation.how = speculation::mode::fixed;
    options_.speculation.drafts = drafts;
    options_.speculation.sources = {std::make_shared<test::noisy_source>(texts, 128, seed)};
  }
  std::vector<asked> ask_all(const std::vector<wanted>& all) {
    auto out = std::vector<asked>{};
    for (const auto& w : all)
      out.push_back(ask(w.prompt, w.how));
    return out;
  }
  void expect_all_whole(const std::vector<asked>& all) {
    for (const auto& a : all)
      expect_whole(a);
  }
};

TEST_F(SchedulerDrafts, AnswersAreThoseOfPlainDecoding) {
  for (auto seed = std::uint64_t{1}; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    const auto all = some_answers(seed);
    draft_for(all, 1 + seed % 31, seed);
    options_.groups = 1 + static_cast<std::uint32_t>(seed % 2);
    start();
    const auto answers = ask_all(all);
    settle();
    expect_all_whole(answers);
    const auto s = work_->status().speculation;
    EXPECT_GT(s.passes, 0u);
    EXPECT_GT(s.accepted, 0u);
    EXPECT_LE(s.accepted, s.drafted);
    work_.reset();
  }
}

TEST_F(SchedulerDrafts, DraftsThatAreRightSavePasses) {
  const auto all = std::vector<wanted>{{text(30), answer_of(60)}};
  draft_for(all, 31, 1);
  start();
  const auto answers = ask_all(all);
  settle();
  expect_all_whole(answers);
  const auto s = work_->status();
  EXPECT_LT(s.passes, 45u);
  const auto& own = answers[0].got->ends.at(0).stats;
  EXPECT_EQ(own.speculation.steps + own.speculation.accepted + 1, 60u)
      << "each step gives one token, and those that were accepted";
  EXPECT_EQ(own.token_times.size(), 59u);
  EXPECT_EQ(own.speculation.drafted, s.speculation.drafted);
}

TEST_F(SchedulerDrafts, AnAnswerEndsWhereItsContextAndItsLimitEnd) {
  options_.limits.context = 64;
  for (const auto tokens : {1u, 2u, 9u, 200u}) {
    SCOPED_TRACE(tokens);
    const auto prompt = text(40);
    const auto how = answer_of(tokens);
    const auto longer = alone(prompt, answer_of(std::min(tokens, 25u) + 30)); // of a larger context
    options_.speculation = {};
    options_.speculation.how = speculation::mode::fixed;
    options_.speculation.drafts = 31;
    options_.speculation.sources = {
        std::make_shared<test::noisy_source>(std::vector<ids>{joined(prompt, longer)}, 128, 3)};
    start();
    const auto a = ask(prompt, how);
    settle();
    const auto expected = std::min(tokens, 25u);
    EXPECT_EQ(a.got->tokens[0], ids(longer.begin(), longer.begin() + expected));
    EXPECT_EQ(a.got->reason(),
              tokens > 25 ? generate::end_reason::context_full : generate::end_reason::max_tokens);
    work_.reset();
  }
}

TEST_F(SchedulerDrafts, AreTriedWhileOthersComePauseAndGo) {
  const auto all = some_answers(5, 50);
  draft_for(all, 12, 5);
  start();
  auto answers = ask_all(all);
  for (auto step = 0; work_->step(); ++step) {
    if (step % 7 == 0)
      pause(answers[static_cast<std::size_t>(step / 7) % 4], step % 14 == 0);
    if (step == 60)
      answers.push_back(ask(text(90, 77), answer_of(20)));
    ASSERT_LT(step, 1'000'000);
  }
  for (auto i = std::size_t{0}; i < 4; ++i)
    pause(answers[i], false);
  settle();
  expect_all_whole(answers);
}

TEST_F(SchedulerDrafts, APassThatFailsWithDraftsIsTriedWithoutThem) {
  const auto all = std::vector<wanted>{{text(20), answer_of(30)}};
  draft_for(all, 8, 2);
  for (auto call = 5u; call < 30; call += 4) {
    SCOPED_TRACE(call);
    auto late = test::late_experts{model_->port(), call};
    auto port = test::failing_experts{late};
    port.fail_wait(call);
    start(port);
    const auto answers = ask_all(all);
    settle();
    if (!answers[0].got->ends.at(0).failed) // plain passes fail as ever
      expect_all_whole(answers);
    work_.reset();
  }
}

TEST_F(SchedulerDrafts, WithLittleMemoryAcceptedDraftsAreReadAgain) {
  const auto all = some_answers(9, 90);
  draft_for(all, 31, 9);
  auto one = model_->new_sequence();
  ASSERT_TRUE(test::succeeds(model_->executor().append(*one, text(128))));
  options_.limits.kv_bytes = one->kv_bytes() * 2;
  one.reset();
  start();
  const auto answers = ask_all(all);
  settle();
  expect_all_whole(answers);
}

TEST_F(SchedulerDrafts, WithTheSuffixTreeAndTheControllerAnswersAreThePlainOnes) {
  options_.speculation.how = speculation::mode::automatic;
  options_.speculation.sources = {std::make_shared<speculation::suffix_source>()};
  start();
  const auto once = text(30, 3);
  const auto prompt = joined(joined(once, once), once);
  for (auto round = 0; round < 3; ++round) {
    const auto a = ask(prompt, answer_of(80)), b = ask(text(40, 8), answer_of(80, 0.7f, 4));
    settle();
    expect_whole(a);
    expect_whole(b);
  }
}

} // namespace
} // namespace larql::actors
