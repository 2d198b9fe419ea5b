// Mirrors actors/session/scheduler.hpp, "Failure": experts that cannot be reached, nodes that lie,
// and too little memory. A request that fails takes nobody with it.

#include "tests/actors/session/session_fixture.hpp"

#include "tests/support/fake_experts.hpp"
#include "tests/support/late_experts.hpp"
#include "tests/support/lying_experts.hpp"

namespace larql::actors {
namespace {

using test::answer_of;
using test::ids;

class SchedulerFaults : public test::scheduler_fixture {};

// ---- experts ------------------------------------------------------------------------------------

TEST_F(SchedulerFaults, AFailureThatDoesNotComeAgainCostsNobodyItsAnswer) {
  options_.chunk = 16;
  for (auto call = 0u; call < 40; call += 3)
    for (const auto groups : {1u, 2u}) {
      SCOPED_TRACE(fmt::format("call {}, {} groups", call, groups));
      options_.groups = groups;
      auto late = test::late_experts{model_->port(), call};
      auto port = test::failing_experts{late};
      port.fail_wait(call);
      ended_.clear();
      start(port);
      auto all = std::vector<asked>{};
      for (auto i = 0u; i < 4; ++i)
        all.push_back(ask(text(8, i), answer_of(6, 1, i)));
      settle();
      const auto failed = work_->status().failed;
      EXPECT_LE(failed, 1u) << "only one that was alone in its pass";
      for (const auto& a : all)
        if (!a.got->ends.at(0).failed)
          expect_whole(a);
      EXPECT_EQ(ended_.size(), 4u);
      EXPECT_EQ(late.under_way(), 0u);
      work_.reset();
    }
}

/// Fails batches of more rows than it can bear.
class narrow_experts final : public experts::expert_port {
public:
  narrow_experts(experts::expert_port& real, std::uint32_t most) : real_(real), most_(most) {}
  result<experts::expert_ticket> start(const experts::expert_batch& batch,
                                       experts::ready_fn on_ready = {}) override {
    if (batch.rows > most_)
      return fail(errc::unavailable, "nobody has experts 3-4 of layer {}", batch.layer);
    return real_.start(batch, std::move(on_ready));
  }

private:
  experts::expert_port& real_;
  std::uint32_t most_;
};

TEST_F(SchedulerFaults, ARequestThatFailsAloneTakesNobodyWithIt) {
  auto port = narrow_experts{model_->port(), 6};
  start(port);
  const auto a = ask(text(4, 1), answer_of(8));
  const auto bad = ask(text(7, 2), answer_of(8));
  const auto b = ask(text(5, 3), answer_of(8, 1, 2));
  settle();
  expect_whole(a);
  expect_whole(b);
  ASSERT_TRUE(bad.got->ends.at(0).failed);
  EXPECT_EQ(bad.got->ends.at(0).failed->code, errc::unavailable);
  EXPECT_NE(bad.got->ends.at(0).failed->text.find("experts 3-4"), std::string::npos);
  EXPECT_EQ(bad.got->ends.at(0).reason, generate::end_reason::none);
  EXPECT_EQ(work_->status().failed, 1u);
  const auto later = ask(text(3, 4), answer_of(8));
  settle();
  expect_whole(later);
}

TEST_F(SchedulerFaults, AFailedAnswerKeepsTheTokensThatItGave) {
  auto port = test::failing_experts{model_->port()};
  start(port);
  const auto a = ask(text(20), answer_of(10));
  a.got->on_token = [&](const test::heard& h) {
    if (h.tokens.at(0).size() == 4)
      port.fail_start(1);
  };
  settle();
  ASSERT_TRUE(a.got->ends.at(0).failed);
  const auto whole = alone(text(20), answer_of(10));
  EXPECT_EQ(a.got->tokens.at(0), ids(whole.begin(), whole.begin() + 4));
  const auto again = ask(text(20), answer_of(10));
  settle();
  expect_whole(again);
  EXPECT_GT(again.got->ends.at(0).cached_tokens, 0u) << "what was complete is kept";
}

TEST_F(SchedulerFaults, WhatALiarHadAPartInIsReadAgainBeforeTheNextTokenIsChosen) {
  options_.chunk = 16;
  for (auto lie = 0u; lie < 24; lie += 2) {
    SCOPED_TRACE(lie);
    auto port = test::lying_experts{model_->port()};
    port.before_batch = [&](std::size_t n) {
      const auto lies = n >= lie && n < lie + 2;
      port.lies = lies;
      port.incarnation = lies ? 2 : 1;
      if (n == lie + 2) // found out before the tokens of this pass are chosen
        (void) port.ledger.condemn(2, "its answer");
    };
    ended_.clear();
    start(port);
    const auto a = ask(text(40), answer_of(6));
    const auto b = ask(text(9, 2), answer_of(6, 1, 7));
    settle();
    // Of the three layers of a pass, the lie was in the first two, or its tokens were chosen.
    if (lie % 3 == 0) {
      expect_whole(a);
      expect_whole(b);
    }
    EXPECT_EQ(ended_.size(), 2u);
    // Nothing of the lie is in the cache.
    port.before_batch = [&](std::size_t) {
      port.lies = false;
      port.incarnation = 1;
    };
    const auto again = ask(text(40), answer_of(6));
    settle();
    expect_whole(again);
    work_.reset();
  }
}

// ---- memory -------------------------------------------------------------------------------------

class SchedulerMemory : public test::scheduler_fixture {
protected:
  // Without sliding layers memory grows with the text alone.
  static test::tiny_options shape() {
    auto o = test::tiny_options{};
    o.period = 1;
    return o;
  }
  SchedulerMemory() : scheduler_fixture(shape(), 2000) { options_.chunk = 64; }

  /// Bytes of a text.
  [[nodiscard]] std::uint64_t bytes_of(std::size_t tokens) {
    const auto pool = model_->kv();
    const auto before = pool->used_bytes();
    const auto s = model_->new_sequence();
    EXPECT_TRUE(test::succeeds(model_->executor().append(*s, text(tokens))));
    return pool->used_bytes() - before;
  }
};

TEST_F(SchedulerMemory, CachedSequencesMakeRoom) {
  options_.limits.kv_bytes = bytes_of(640);
  start();
  for (auto i = 0u; i < 6; ++i) {
    const auto a = ask(text(300, i), answer_of(3));
    settle();
    expect_whole(a);
  }
  EXPECT_GT(work_->status().cache_evictions, 0u);
  EXPECT_LE(work_->status().kv_bytes, options_.limits.kv_bytes);
}

TEST_F(SchedulerMemory, AnswersThatOutgrowTheMemoryAreReadAgainLater) {
  options_.limits.kv_bytes = bytes_of(640);
  start();
  auto all = std::vector<asked>{};
  for (auto i = 0u; i < 4; ++i)
    all.push_back(ask(text(90, i), answer_of(250, 1, i), fmt::format("{}", i)));
  settle();
  for (const auto& a : all)
    expect_whole(a);
  EXPECT_GT(work_->status().preempted, 0u);
  EXPECT_LE(work_->status().kv_bytes, options_.limits.kv_bytes);
}

TEST_F(SchedulerMemory, OneThatDoesNotFitAloneEndsWithTheErrorAndTheNextOneWorks) {
  options_.limits.kv_bytes = bytes_of(320);
  start();
  const auto large = ask(text(500), answer_of(3));
  const auto small = ask(text(100, 2), answer_of(3));
  settle();
  ASSERT_TRUE(large.got->ends.at(0).failed);
  EXPECT_EQ(large.got->ends.at(0).failed->code, errc::unavailable);
  EXPECT_NE(large.got->ends.at(0).failed->text.find("KV memory"), std::string::npos);
  expect_whole(small);
}

TEST_F(SchedulerMemory, ASessionThatRestsMakesRoomAndGoesOn) {
  options_.limits.kv_bytes = bytes_of(640);
  start();
  work_->open(1, "");
  auto first = request(text(400), {answer_of(3)});
  first.session = 1;
  const auto a = ask(std::move(first));
  settle();
  const auto other = ask(text(500, 2), answer_of(3));
  settle();
  expect_whole(other);
  auto second = request(text(10, 3), {answer_of(3)});
  second.session = 1;
  const auto b = ask(std::move(second));
  settle();
  EXPECT_EQ(b.got->tokens.at(0),
            alone(joined(joined(text(400), a.got->tokens.at(0)), text(10, 3)), answer_of(3)));
}

TEST_F(SchedulerMemory, WhatEndsGivesItsMemoryBack) {
  options_.limits.cache_bytes = 0;
  start();
  for (auto i = 0u; i < 3; ++i)
    (void) ask(text(100, i), answer_of(3));
  settle();
  EXPECT_EQ(work_->status().kv_bytes, 0u);
  EXPECT_EQ(work_->status().cached_sequences, 0u);
}

} // namespace
} // namespace larql::actors
