// Mirrors actors/session/scheduler.hpp: who gets how much, and what later prompts are spared.

#include "tests/actors/session/session_fixture.hpp"

#include <numeric>

namespace larql::actors {
namespace {

using test::answer_of;
using test::ids;

class SchedulerSharing : public test::scheduler_fixture {
protected:
  std::size_t tokens_of(const asked& a) {
    const auto t = a.got->tokens.find(0);
    return t == a.got->tokens.end() ? 0 : t->second.size();
  }
};

// ---- rows ---------------------------------------------------------------------------------------

TEST_F(SchedulerSharing, EqualClientsGetEqualNumbersOfTokens) {
  start();
  auto all = std::vector<asked>{};
  for (auto i = 0u; i < 8; ++i)
    all.push_back(ask(text(10 + 5 * i, i), answer_of(400), fmt::format("{}", i)));
  while (tokens_of(all[0]) < 100)
    ASSERT_TRUE(work_->step());
  for (const auto& a : all)
    EXPECT_NEAR(static_cast<double>(tokens_of(a)), 100, 20);
}

TEST_F(SchedulerSharing, AClientOfOneAnswerIsNotKeptWaitingByOneOfMany) {
  options_.limits.running = 8;
  start();
  auto many = std::vector<asked>{};
  for (auto i = 0u; i < 32; ++i)
    many.push_back(ask(text(20, i), answer_of(200), "many"));
  for (auto i = 0; i < 50; ++i)
    work_->step();
  const auto one = ask(text(20, 99), answer_of(200), "one");
  while (!one.got->ends.contains(0))
    ASSERT_TRUE(work_->step());
  expect_whole(one);
  auto most = std::size_t{0};
  for (const auto& a : many)
    most = std::max(most, tokens_of(a));
  EXPECT_LE(most, 200u + 40) << "it began at once";
  auto waits = 0;
  for (const auto& a : many)
    waits += a.got->progress.empty() ? 1 : 0;
  EXPECT_GE(waits, 16) << "and the bound held for the others";
}

TEST_F(SchedulerSharing, AWaitingPromptGetsAQuarterOfTheRows) {
  options_.limits.running = 64;
  options_.latency_factor = 1; // prompts get what they must
  start();
  auto all = std::vector<asked>{};
  for (auto i = 0u; i < 24; ++i)
    all.push_back(ask(text(5, i), answer_of(500)));
  while (tokens_of(all.back()) < 5)
    ASSERT_TRUE(work_->step());
  const auto before = work_->status().pass_rows.sum;
  const auto late = ask(text(300, 99), answer_of(1));
  while (!late.got->ends.contains(0))
    ASSERT_TRUE(work_->step());
  EXPECT_LE(work_->status().pass_rows.sum - before, 4 * 300 + 100);
  expect_whole(late);
}

// ---- cached prefixes ----------------------------------------------------------------------------

TEST_F(SchedulerSharing, TheNextTurnReadsOnlyWhatIsNew) {
  start();
  const auto first = ask(text(200), answer_of(10));
  settle();
  const auto next = joined(joined(text(200), first.got->tokens.at(0)), text(15, 2));
  const auto second = ask(next, answer_of(10));
  settle();
  expect_whole(second);
  EXPECT_EQ(second.got->ends.at(0).cached_tokens, 209u) << "all but the token that was not read";
  EXPECT_EQ(second.got->ends.at(0).stats.prompt_tokens, 16u);
  EXPECT_EQ(second.got->progress.front().cached, 209u);
  const auto s = work_->status();
  EXPECT_EQ(s.cache_lookups, 2u);
  EXPECT_EQ(s.cache_hits, 1u);
  EXPECT_EQ(s.cached_tokens, 209u);
}

TEST_F(SchedulerSharing, ClientsDoNotSeeEachOthersPrefixesUnlessTheyShare) {
  for (const auto shared : {false, true}) {
    options_.share_prefix = shared;
    start();
    (void) ask(text(200), answer_of(3), "alice");
    settle();
    const auto bob = ask(joined(text(200), text(9, 2)), answer_of(3), "bob");
    const auto alice = ask(joined(text(200), text(9, 2)), answer_of(3), "alice");
    settle();
    expect_whole(bob);
    expect_whole(alice);
    EXPECT_EQ(bob.got->ends.at(0).cached_tokens, shared ? 200u : 0u);
    EXPECT_GE(alice.got->ends.at(0).cached_tokens, 200u);
  }
}

TEST_F(SchedulerSharing, RequestsAtTheSameTimeWithACachedPrefixShareIt) {
  start();
  const auto system = text(300);
  auto first = request(joined(system, text(20, 2)), {answer_of(5)});
  first.hints.system_end = 300;
  (void) ask(std::move(first));
  settle();
  auto all = std::vector<asked>{};
  for (auto i = 0u; i < 4; ++i)
    all.push_back(ask(joined(system, text(20, 30 + i)), answer_of(20, 1, i)));
  settle();
  for (const auto& a : all) {
    expect_whole(a);
    EXPECT_EQ(a.got->ends.at(0).cached_tokens, 300u);
  }
}

TEST_F(SchedulerSharing, AConversationsTurnsAreBoundaries) {
  start();
  // An answer comes back without its thoughts: the next prompt parts from it where it began.
  auto first = request(text(250), {answer_of(100)});
  first.hints.system_end = 100;
  const auto a = ask(std::move(first));
  settle();
  auto second = request(joined(text(250), text(60, 3)), {answer_of(5)});
  second.hints = {100, {250}};
  const auto b = ask(std::move(second));
  settle();
  expect_whole(b);
  EXPECT_EQ(b.got->ends.at(0).cached_tokens, 250u);
}

class SchedulerLongPrompts : public test::scheduler_fixture {
protected:
  // As small as a model can be: the text is what is long.
  static test::tiny_options shape() {
    auto o = test::tiny_options{};
    o.layers = 2;
    o.period = 2;
    o.dense_width = 32;
    o.q_heads = 1;
    o.kv_heads = 1;
    o.global_kv_heads = 1;
    o.global_head_dim = 32;
    o.window = 32;
    o.experts = 4;
    o.top_k = 1;
    o.expert_width = 32;
    return o;
  }
  SchedulerLongPrompts() : scheduler_fixture(shape(), 24'000) {}
};

TEST_F(SchedulerLongPrompts, AnAgentsSecondRequestReadsOnlyTheNewTurn) {
  start();
  const auto block = text(20'000); // system and tools
  auto first = request(joined(block, text(150, 2)), {answer_of(20)});
  first.hints = {20'000, {}};
  const auto a = ask(std::move(first));
  settle();
  const auto turn = joined(a.prompt, joined(a.got->tokens.at(0), text(80, 3)));
  auto second = request(turn, {answer_of(20)});
  second.hints = {20'000, {20'150}};
  const auto b = ask(std::move(second));
  settle();
  EXPECT_EQ(b.got->ends.at(0).stats.prompt_tokens, 81u);
  // Another conversation of the same agent.
  auto other = request(joined(block, text(120, 4)), {answer_of(5)});
  other.hints = {20'000, {}};
  const auto c = ask(std::move(other));
  settle();
  EXPECT_EQ(c.got->ends.at(0).stats.prompt_tokens, 120u);
  expect_whole(c);
}

TEST_F(SchedulerLongPrompts, RawTextsKeepBoundariesOnTheWay) {
  start();
  const auto whole = text(5000);
  (void) ask(whole, answer_of(2));
  settle();
  const auto parted = joined({whole.begin(), whole.begin() + 4500}, text(100, 2));
  const auto a = ask(parted, answer_of(3));
  settle();
  expect_whole(a);
  EXPECT_EQ(a.got->ends.at(0).cached_tokens, 4096u);
}

} // namespace
} // namespace larql::actors
