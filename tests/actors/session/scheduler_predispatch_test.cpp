// Mirrors session_options::predispatch and sums: approximate answers, of which nothing is stored,
// and of passes in rounds nothing is found by later prompts. With as many dispatches as layers they
// can be compared.

#include "tests/actors/session/session_fixture.hpp"

#include "tests/support/fake_experts.hpp"
#include "tests/support/late_experts.hpp"
#include "tests/support/lying_experts.hpp"

namespace larql::actors {
namespace {

using test::answer_of;
using test::ids;

constexpr auto layers = 3u; // of the usual tiny model

/// Remembers that it was given something.
class watched_store final : public prompt_store {
public:
  std::size_t saved = 0;
  std::uint32_t reach(const std::string&, std::span<const std::uint32_t>, std::uint32_t) override {
    return 0;
  }
  void load(const std::string&, std::vector<std::uint32_t>, std::uint32_t,
            std::unique_ptr<generate::sequence> into, loaded_fn on_loaded) override {
    on_loaded(std::move(into));
  }
  void save(const std::string&, generate::sequence::prefix) override { ++saved; }
  void flush() override {}
};

class SchedulerPredispatch : public test::scheduler_fixture {
protected:
  SchedulerPredispatch() {
    options_.predispatch = layers;
    options_.chunk = 16;
  }

  session_request of_session(ids tokens, session_id id) {
    auto out = request(std::move(tokens), {answer_of(6)});
    out.session = id;
    return out;
  }

  /// The second answer to a prompt, after which all is saved that may be.
  asked ask_twice(prompt_store& disk) {
    work_ =
        *scheduler::create({model_->model(), model_->compute(), model_->port(), &disk}, options_);
    auto first = request(text(400), {answer_of(6)});
    first.hints.system_end = 380;
    (void) ask(std::move(first));
    settle();
    auto again = ask(text(400), answer_of(6));
    settle();
    work_->save_all();
    return again;
  }
};

TEST_F(SchedulerPredispatch, AnswersTogetherAreThoseOfSequencesOfTheirOwn) {
  auto late = test::late_experts{model_->port(), 3};
  for (const auto groups : {1u, 2u}) {
    options_.groups = groups;
    start(late);
    auto all = std::vector<asked>{};
    for (auto i = 0u; i < 5; ++i)
      all.push_back(ask(text(3 + 40 * i, i), answer_of(20, i % 2 == 0 ? 0.0f : 1.0f, i)));
    settle();
    for (const auto& a : all) {
      expect_whole(a);
      EXPECT_EQ(a.got->ends.at(0).stats.predispatch, layers);
    }
    work_.reset();
  }
}

TEST_F(SchedulerPredispatch, FewerDispatchesGiveOtherTokensAndAllOfThem) {
  options_.predispatch = 1;
  start();
  const auto a = ask(text(60), answer_of(40));
  settle();
  ASSERT_FALSE(a.got->ends.at(0).failed);
  EXPECT_EQ(a.got->tokens.at(0).size(), 40u);
  EXPECT_NE(a.got->tokens.at(0), alone(text(60), answer_of(40)));
}

TEST_F(SchedulerPredispatch, NothingIsCachedOrStored) {
  for (const auto dispatches : {0u, layers}) {
    SCOPED_TRACE(dispatches);
    options_.predispatch = dispatches;
    auto disk = watched_store{};
    const auto again = ask_twice(disk);
    expect_whole(again);
    EXPECT_EQ(again.got->ends.at(0).cached_tokens != 0, dispatches == 0);
    EXPECT_EQ(work_->status().cached_sequences != 0, dispatches == 0);
    EXPECT_EQ(disk.saved != 0, dispatches == 0);
    work_.reset();
  }
}

TEST_F(SchedulerPredispatch, WhatComesOfRoundedSumsIsFoundAgainButNotStored) {
  options_.predispatch = 0;
  options_.sums = quant::sum_format::q8;
  auto disk = watched_store{};
  const auto again = ask_twice(disk);
  EXPECT_NE(again.got->ends.at(0).cached_tokens, 0u);
  EXPECT_EQ(again.got->ends.at(0).stats.sums, quant::sum_format::q8);
  EXPECT_EQ(disk.saved, 0u);
  work_->open(1, "");
  (void) ask(of_session(text(60), 1));
  settle();
  EXPECT_FALSE(work_->share_session(1, 60)) << "for no file";
  work_.reset(); // before the store
}

TEST_F(SchedulerPredispatch, ASessionKeepsItsOwnAndLeavesNothing) {
  start();
  work_->open(1, "");
  const auto a = ask(of_session(text(60), 1));
  settle();
  const auto b = ask(of_session(text(10, 2), 1));
  settle();
  EXPECT_EQ(b.got->ends.at(0).stats.prompt_tokens, 11u) << "the first turn is not read again";
  const auto so_far = joined(joined(text(60), a.got->tokens.at(0)), text(10, 2));
  EXPECT_EQ(b.got->tokens.at(0), alone(so_far, answer_of(6)));
  EXPECT_FALSE(work_->share_session(1, 60)) << "for no file";
  work_->close(1);
  const auto c = ask(text(60), answer_of(6));
  settle();
  EXPECT_EQ(c.got->ends.at(0).cached_tokens, 0u);
  expect_whole(c);
}

TEST_F(SchedulerPredispatch, DraftsAreRefused) {
  options_.speculation.how = speculation::mode::fixed;
  EXPECT_TRUE(
      test::fails(scheduler::create({model_->model(), model_->compute(), model_->port()}, options_),
                  errc::usage, {"drafts", "approximate"}));
}

TEST_F(SchedulerPredispatch, ACancelledAnswerLeavesTheOthersWhole) {
  auto late = test::late_experts{model_->port(), 5};
  for (auto at = 1; at < 60; at += 4) {
    SCOPED_TRACE(at);
    start(late);
    const auto a = ask(text(30, 1), answer_of(8)), b = ask(text(25, 2), answer_of(8));
    for (auto i = 0; i < at && work_->step(); ++i) {
    }
    cancel(a);
    settle();
    expect_whole(b);
    EXPECT_TRUE(a.got->ends.contains(0));
    EXPECT_EQ(late.under_way(), 0u);
    work_.reset();
  }
}

TEST_F(SchedulerPredispatch, AFailureThatDoesNotComeAgainCostsNobodyItsAnswer) {
  for (auto call = 0u; call < 30; call += 4) {
    SCOPED_TRACE(call);
    auto late = test::late_experts{model_->port(), call};
    auto port = test::failing_experts{late};
    port.fail_wait(call);
    start(port);
    auto all = std::vector<asked>{};
    for (auto i = 0u; i < 3; ++i)
      all.push_back(ask(text(8, i), answer_of(6, 1, i)));
    settle();
    EXPECT_LE(work_->status().failed, 1u) << "only one that was alone in its pass";
    for (const auto& a : all)
      if (!a.got->ends.at(0).failed)
        expect_whole(a);
    EXPECT_EQ(late.under_way(), 0u);
    work_.reset();
  }
}

TEST_F(SchedulerPredispatch, WhatALiarHadAPartInIsReadAgain) {
  auto port = test::lying_experts{model_->port()};
  port.lies = true;
  start(port);
  port.before_batch = [&](std::size_t batch) {
    if (batch != 8) // in the middle of the prompt
      return;
    port.ledger.condemn(1, "its answer");
    port.incarnation = 2;
    port.lies = false;
  };
  const auto a = ask(text(60), answer_of(8));
  settle();
  expect_whole(a);
  EXPECT_GT(a.got->ends.at(0).stats.read_again, 0u);
}

} // namespace
} // namespace larql::actors
