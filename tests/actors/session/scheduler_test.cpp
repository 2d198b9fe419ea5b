// Mirrors actors/session/scheduler.hpp: whoever is there, whatever is cached and however passes are
// cut, a request gets the tokens that it would get alone.

#include "tests/actors/session/session_fixture.hpp"

#include "tests/support/far_experts.hpp"
#include "tests/support/late_experts.hpp"
#include "tests/support/random_weights.hpp"

namespace larql::actors {
namespace {

using test::answer_of;
using test::ids;
using enum generate::end_reason;

class Scheduler : public test::scheduler_fixture {};

TEST_F(Scheduler, HasNothingToDoUntilSomethingIsAsked) {
  start();
  EXPECT_FALSE(work_->step());
  EXPECT_TRUE(work_->is_idle());
}

TEST_F(Scheduler, AnswersAsPlainDecodingDoes) {
  start();
  const auto greedy = ask(text(30), answer_of(12));
  settle();
  expect_whole(greedy);
  const auto drawn = ask(text(30, 3), answer_of(12, 1, 99));
  settle();
  expect_whole(drawn);
  EXPECT_EQ(ended_, (std::vector<session_request_id>{1, 2}));
  EXPECT_TRUE(work_->is_idle());
}

TEST_F(Scheduler, TellsWhatItDidAndWhyItEnded) {
  start();
  const auto a = ask(text(30), answer_of(5));
  settle();
  const auto& end = a.got->ends.at(0);
  EXPECT_EQ(end.reason, max_tokens);
  EXPECT_EQ(end.prompt_tokens, 30u);
  EXPECT_EQ(end.cached_tokens, 0u);
  EXPECT_EQ(end.stats.prompt_tokens, 30u);
  EXPECT_EQ(end.stats.tokens, 5u);
  EXPECT_EQ(end.stats.token_times.size(), 4u);
  EXPECT_GT(end.stats.to_first_token.count(), 0);
  EXPECT_EQ(end.stats.passes.layers, 3u * 5);
  ASSERT_TRUE(end.answer);
  EXPECT_EQ(end.answer->tokens(), 5u);
  ASSERT_FALSE(a.got->progress.empty());
  EXPECT_EQ(a.got->progress.front().tokens, 0u);
  EXPECT_EQ(a.got->progress.back().tokens, 30u);
  EXPECT_EQ(a.got->progress.back().total, 30u);
}

TEST_F(Scheduler, StopsAtAStopTokenAndAtTheEndOfTheContext) {
  start();
  const auto whole = alone(text(20), answer_of(10));
  auto o = answer_of(10);
  o.stop_tokens = {whole[4]};
  const auto stopped = ask(text(20), o);
  const auto full = ask(text(595), answer_of(100));
  settle();
  EXPECT_EQ(stopped.got->reason(), stop_token);
  EXPECT_EQ(full.got->reason(), context_full);
  expect_whole(stopped);
  expect_whole(full);
}

TEST_F(Scheduler, APromptThatFillsTheContextGetsOneTokenAndALongerOneAnError) {
  start();
  const auto fits = ask(text(600), answer_of(5));
  const auto longer = ask(text(601), answer_of(5));
  const auto empty = ask(ids{}, answer_of(5));
  settle();
  expect_whole(fits);
  EXPECT_EQ(fits.got->tokens.at(0).size(), 1u);
  ASSERT_TRUE(longer.got->ends.at(0).failed);
  EXPECT_NE(longer.got->ends.at(0).failed->text.find("601 tokens"), std::string::npos);
  EXPECT_TRUE(empty.got->ends.at(0).failed);
  EXPECT_EQ(ended_.size(), 3u);
}

TEST_F(Scheduler, AnAnswerOfNoTokensReadsThePromptAndEnds) {
  start();
  const auto a = ask(text(30), answer_of(0));
  const auto read = ask(request(text(40, 2), {}));
  settle();
  EXPECT_EQ(a.got->reason(), max_tokens);
  EXPECT_TRUE(a.got->tokens.empty());
  EXPECT_EQ(read.got->reason(), none);
  EXPECT_FALSE(read.got->ends.at(0).failed);
  EXPECT_EQ(read.got->progress.back().tokens, 40u);
}

// ---- several answers ----------------------------------------------------------------------------

TEST_F(Scheduler, AnswersOfOneRequestShareItsPrompt) {
  start();
  const auto a = ask(
      request(text(100), {answer_of(8, 1, choice_seed(5, 0)), answer_of(8, 1, choice_seed(5, 1)),
                          answer_of(3, 1, choice_seed(5, 2))}));
  settle();
  expect_whole(a);
  EXPECT_EQ(work_->status().read_tokens, 100u);
  EXPECT_NE(a.got->tokens.at(0), a.got->tokens.at(1)) << "they draw other numbers";
  EXPECT_EQ(ended_.size(), 1u);
}

TEST_F(Scheduler, SeedsOfChoicesDiffer) {
  EXPECT_EQ(choice_seed(5, 0), 5u);
  EXPECT_NE(choice_seed(5, 1), choice_seed(5, 2));
  EXPECT_NE(choice_seed(5, 1), choice_seed(6, 1));
}

// ---- company ------------------------------------------------------------------------------------

TEST_F(Scheduler, PromptsAndAnswersOfManyAreMixedAndNobodyNotices) {
  options_.chunk = 32;
  for (const auto seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(seed);
    start();
    auto random = test::random_source{seed};
    auto all = std::vector<asked>{};
    while (all.size() < 8 || !work_->is_idle()) {
      if (all.size() < 8 && random.below(6) == 0) {
        const auto temperature = random.below(2) == 0 ? 0.0f : 0.8f;
        all.push_back(ask(text(1 + random.below(120), random.bits()),
                          answer_of(1 + random.below(20), temperature, random.bits()),
                          fmt::format("client {}", random.below(4))));
      }
      work_->step();
    }
    for (const auto& a : all)
      expect_whole(a);
    EXPECT_GT(work_->status().pass_rows.sum, static_cast<double>(work_->status().passes));
  }
}

TEST_F(Scheduler, CancelsAnywhereAndTheOthersGetTheirTokens) {
  options_.chunk = 16;
  for (auto at = 1u; at < 60; at += 3) {
    SCOPED_TRACE(at);
    ended_.clear();
    start();
    const auto kept = ask(text(30), answer_of(10, 1, 3));
    const auto leaver = ask(text(50, 2), answer_of(10));
    const auto later = ask(text(20, 4), answer_of(10));
    for (auto step = 0u; step < at; ++step)
      work_->step();
    cancel(leaver);
    settle();
    expect_whole(kept);
    expect_whole(later);
    ASSERT_TRUE(leaver.got->ends.contains(0));
    EXPECT_FALSE(leaver.got->ends.at(0).failed);
    const auto whole = alone(leaver.prompt, leaver.answers[0]);
    const auto& got = leaver.got->tokens[0];
    EXPECT_TRUE(std::equal(got.begin(), got.end(), whole.begin())) << "as far as it came";
    EXPECT_EQ(ended_.size(), 3u);
  }
}

TEST_F(Scheduler, WhatACancelledRequestHadReadIsNotReadAgain) {
  options_.chunk = 16;
  start();
  const auto first = ask(text(200), answer_of(5));
  while (first.got->progress.empty() || first.got->progress.back().tokens < 100)
    work_->step();
  cancel(first);
  settle();
  EXPECT_EQ(first.got->reason(), stopped);
  const auto second = ask(text(200), answer_of(5));
  settle();
  expect_whole(second);
  EXPECT_GE(second.got->ends.at(0).cached_tokens, 96u);
}

TEST_F(Scheduler, OneThatWaitsCanBeCancelled) {
  options_.limits.running = 1;
  start();
  const auto first = ask(text(20), answer_of(5), "a");
  const auto waits = ask(text(20, 2), answer_of(5), "a");
  work_->step();
  cancel(waits);
  settle();
  EXPECT_EQ(waits.got->reason(), stopped);
  EXPECT_TRUE(waits.got->progress.empty());
  expect_whole(first);
}

TEST_F(Scheduler, CancellingARequestCancelsAllItsAnswers) {
  start();
  const auto a = ask(request(text(20), {answer_of(50), answer_of(50)}));
  a.got->on_token = [&](const test::heard& h) {
    if (h.tokens.contains(0) && h.tokens.at(0).size() == 3) {
      a.live->stop.request_stop();
      work_->look_again();
    }
  };
  settle();
  ASSERT_TRUE(a.got->ends.contains(0));
  ASSERT_TRUE(a.got->ends.contains(1));
  EXPECT_EQ(a.got->reason(0), stopped);
  EXPECT_EQ(a.got->reason(1), stopped);
  EXPECT_LT(a.got->tokens[1].size(), 5u);
  EXPECT_EQ(ended_.size(), 1u);
}

TEST_F(Scheduler, APausedRequestWaitsAndTheOthersGoOn) {
  start();
  const auto slow = ask(text(20), answer_of(10, 1, 4));
  const auto fast = ask(text(20, 2), answer_of(10));
  slow.got->on_token = [&](const test::heard& h) {
    if (h.tokens.at(0).size() == 3)
      slow.live->paused = true;
  };
  settle();
  expect_whole(fast);
  EXPECT_EQ(slow.got->tokens.at(0).size(), 3u);
  EXPECT_TRUE(slow.got->ends.empty());
  EXPECT_FALSE(work_->is_idle());
  EXPECT_EQ(work_->status().paused, 1u);
  pause(slow, false);
  settle();
  expect_whole(slow);
}

// ---- lanes --------------------------------------------------------------------------------------

TEST_F(Scheduler, TwoGroupsTakeTurnsAndGiveTheSameTokens) {
  options_.groups = 2;
  options_.chunk = 16;
  for (const auto seed : {1u, 2u, 3u, 4u, 5u}) {
    SCOPED_TRACE(seed);
    auto port = test::late_experts{model_->port(), seed};
    start(port);
    auto all = std::vector<asked>{};
    for (auto i = 0u; i < 5; ++i) {
      all.push_back(ask(text(10 + 23 * i, seed * 10 + i), answer_of(6, 1, seed)));
      for (auto step = 0u; step < seed * 7; ++step)
        work_->step();
    }
    settle();
    for (const auto& a : all)
      expect_whole(a);
    EXPECT_EQ(port.most_under_way(), 2u);
    work_.reset();
  }
}

TEST_F(Scheduler, APromptThatIsAloneHasAChunkInEachLane) {
  options_.groups = 2;
  options_.chunk = 16;
  auto port = test::late_experts{model_->port(), 3};
  start(port);
  const auto a = ask(text(150), answer_of(4));
  settle();
  expect_whole(a);
  EXPECT_EQ(port.most_under_way(), 2u);
  work_.reset();
}

TEST_F(Scheduler, FarNodesHaveMoreGroupsAndChunksInFlightOnceTheirCostsAreKnown) {
  options_.groups = 8;
  options_.chunk = 16;
  auto late = test::late_experts{model_->port(), 3};
  auto port = test::far_experts{late};
  start(port);
  const auto first = ask(text(150), answer_of(4));
  for (auto step = 0u; step < 3; ++step)
    work_->step();
  EXPECT_LE(late.most_under_way(), 2u) << "nothing is known yet";
  settle();
  expect_whole(first);
  EXPECT_GT(late.most_under_way(), 3u);
  auto all = std::vector<asked>{};
  for (auto i = 0u; i < 6; ++i)
    all.push_back(ask(text(20 + i, i), answer_of(6, 1, i)));
  settle();
  for (const auto& a : all)
    expect_whole(a);
  work_.reset();
}

TEST_F(Scheduler, APromptWithAChunkInEachLaneCanBeCancelled) {
  options_.groups = 2;
  options_.chunk = 16;
  for (auto at = 1u; at < 30; at += 2) {
    auto port = test::late_experts{model_->port(), at};
    start(port);
    const auto a = ask(text(150), answer_of(4));
    for (auto step = 0u; step < at; ++step)
      work_->step();
    cancel(a);
    settle();
    EXPECT_EQ(a.got->reason(), stopped);
    const auto again = ask(text(150), answer_of(4));
    settle();
    expect_whole(again);
    work_.reset();
  }
}

// ---- sessions -----------------------------------------------------------------------------------

TEST_F(Scheduler, ASessionGoesOnFromItsOwnTokens) {
  start();
  work_->open(1, "");
  auto first = request(text(30), {answer_of(6)});
  first.session = 1;
  const auto a = ask(std::move(first));
  settle();
  expect_whole(a);
  auto so_far = joined(text(30), a.got->tokens.at(0));
  auto second = request(text(10, 2), {answer_of(6)});
  second.session = 1;
  const auto b = ask(std::move(second));
  settle();
  so_far = joined(so_far, text(10, 2));
  EXPECT_EQ(b.got->tokens.at(0), alone(so_far, answer_of(6)));
  EXPECT_EQ(b.got->ends.at(0).stats.prompt_tokens, 11u) << "the answer's last token was not read";
}

TEST_F(Scheduler, ASessionReadsAheadAndGoesBack) {
  start();
  work_->open(1, "");
  auto ahead = request(text(30), {});
  ahead.session = 1;
  (void) ask(std::move(ahead));
  settle();
  auto go = request({}, {answer_of(6)});
  go.session = 1;
  const auto a = ask(std::move(go));
  settle();
  EXPECT_EQ(a.got->tokens.at(0), alone(text(30), answer_of(6)));
  auto back = request(text(5, 3), {answer_of(6)});
  back.session = 1;
  back.keep = 20;
  const auto b = ask(std::move(back));
  settle();
  const auto kept = text(30);
  EXPECT_EQ(b.got->tokens.at(0),
            alone(joined({kept.begin(), kept.begin() + 20}, text(5, 3)), answer_of(6)));
}

TEST_F(Scheduler, AClosedSessionIsUnknownAndItsTextIsCached) {
  start();
  work_->open(1, "");
  auto first = request(text(60), {answer_of(4)});
  first.session = 1;
  (void) ask(std::move(first));
  settle();
  work_->close(1);
  auto late = request(text(10), {answer_of(4)});
  late.session = 1;
  const auto a = ask(std::move(late));
  const auto b = ask(joined(text(60), text(5, 2)), answer_of(4));
  settle();
  ASSERT_TRUE(a.got->ends.at(0).failed);
  EXPECT_NE(a.got->ends.at(0).failed->text.find("session 1"), std::string::npos);
  EXPECT_EQ(b.got->ends.at(0).cached_tokens, 60u);
  expect_whole(b);
}

// ---- options ------------------------------------------------------------------------------------

TEST_F(Scheduler, OptionsThatMakeNoSenseAreNamed) {
  const auto create = [&](auto change) {
    auto o = options_;
    change(o);
    return scheduler::create({model_->model(), model_->compute(), model_->port()}, o);
  };
  EXPECT_TRUE(
      test::fails(create([](session_options& o) { o.groups = 0; }), errc::usage, {"groups", "0"}));
  EXPECT_TRUE(test::fails(create([](session_options& o) { o.latency_factor = 0.5; }), errc::usage,
                          {"latency factor", "0.5"}));
  EXPECT_TRUE(test::fails(create([](session_options& o) { o.limits.context = 0; }), errc::usage,
                          {"context is 0"}));
  EXPECT_TRUE(test::fails(create([](session_options& o) { o.limits.running = 0; }), errc::usage,
                          {"answers"}));
  EXPECT_TRUE(
      test::fails(create([](session_options& o) { o.chunk = 0; }), errc::usage, {"chunk is 0"}));
}

} // namespace
} // namespace larql::actors
