// Mirrors actors/laptop/router_relays.cpp: when a relay is asked, what is made of its answer, and
// what happens if it fails, lies, or has nobody behind it.

#include "tests/actors/laptop/router_fixture.hpp"
#include "tests/support/message_text.hpp"

namespace larql::actors {
namespace {

using namespace test;

/// alpha owns experts 0-3 and reaches beta (4-7); jobs go to it wherever that is possible.
class RouterRelays : public router_fixture {
protected:
  static constexpr auto alpha = 0u, beta = 1u;

  RouterRelays() { options.relays = topology::relay_use::always; }

  void start_relay(std::uint32_t credits = 64) {
    start({{0, 3}, {4, 7}});
    reach(alpha, {credits, {{2, {{0, 9}, {4, 7}}}}});
  }
  void reach(std::size_t shard, schema::reach what) {
    auto d = std::make_shared<schema::node_description>(*member(shard).description);
    d->reached = std::move(what);
    member(shard).description = d;
    publish();
  }

  /// What a relay answers: whole rows complete, if it likes.
  static received_result relayed_answer(const outgoing_call& out, bool completes = true,
                                        std::vector<std::uint64_t> makers = {2}) {
    const auto call = call_in(out);
    const auto right = right_answer(out);
    auto widths = std::vector<std::byte>{}, bytes = std::vector<std::byte>{};
    auto left = right.message.sums;
    for (auto r = 0u; r < call.rows; ++r) {
      auto sums = std::vector<std::int64_t>(hidden);
      const auto width = static_cast<std::uint8_t>(right.message.widths[r]);
      schema::add_packed(left, width, sums);
      left = left.subspan(schema::row_bytes(width, hidden));
      if (completes && r < call.whole_rows.size() && call.whole_rows[r] != std::byte{0}) {
        auto x = std::vector<float>{};
        for (const auto s : sums)
          x.push_back(static_cast<float>(static_cast<double>(s) * 0x1p-32));
        schema::put_complete_row(x, widths, bytes);
      } else {
        schema::pack_sums(sums, hidden, call.sums, widths, bytes);
      }
    }
    auto result = right.message;
    result.widths = widths;
    result.sums = bytes;
    result.makers = std::as_bytes(std::span{makers});
    return received_of(result);
  }
  void relay_answers(std::size_t call = 0, bool completes = true,
                     std::vector<std::uint64_t> makers = {2}) {
    auto& s = shards.at(alpha);
    answered.insert({alpha, call});
    s.answer(call, relayed_answer(s.calls().at(call), completes, std::move(makers)));
    settle();
  }
  schema::expert_call call_to(std::size_t shard, std::size_t i = 0) {
    return call_in(shards.at(shard).calls().at(i));
  }
};

TEST_F(RouterRelays, ARowIsSentOnceAndItsAnswerIsComplete) {
  start_relay();
  const auto job = route(make_job(0, 2, some_assignments()));
  ASSERT_EQ(shards[alpha].calls().size(), 1u);
  EXPECT_TRUE(shards[beta].calls().empty());
  const auto call = call_to(alpha);
  EXPECT_FALSE(call.direct);
  EXPECT_EQ(call.remaining_us, 100'000u) << "the deadline of the call";
  EXPECT_EQ(hex(call.whole_rows), "0101");
  relay_answers();
  ASSERT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job));
  EXPECT_EQ(job->stats.relayed, 1u);
  const auto& makers = *options.makers;
  EXPECT_EQ(job->stats.makers, makers.set_of(1) | makers.set_of(2));
}

TEST_F(RouterRelays, IntegersAreAsGood) {
  start_relay();
  const auto job = route(make_job(0, 2, some_assignments()));
  relay_answers(0, false);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterRelays, WhatItDoesNotReachIsAskedOfItsOwnerAndRowsOfBothStayIntegers) {
  start({{0, 3}, {4, 5}, {6, 7}});
  reach(alpha, {64, {{2, {{0, 9}, {4, 5}}}}});
  const auto job = route(make_job(0, 2, {{0, 1, 1}, {0, 5, 2}, {1, 4, 1}, {1, 6, 3}}));
  EXPECT_EQ(hex(call_to(alpha).whole_rows), "0100") << "row 1 has an expert elsewhere";
  EXPECT_TRUE(call_to(2).direct);
  answer_rightly(2);
  relay_answers();
  ASSERT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterRelays, RowsThatThisMachineAddsToAreNeverComplete) {
  start_relay();
  auto job = make_job(0, 1, {{0, 1, 1}, {0, 5, 2}});
  job->is_whole = false;
  route(job);
  EXPECT_TRUE(call_to(alpha).whole_rows.empty());
  relay_answers();
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterRelays, CompleteRowsCanBeSwitchedOff) {
  options.complete_rows = false;
  start_relay();
  route(make_job(0, 1, {{0, 1, 1}, {0, 5, 2}}));
  EXPECT_TRUE(call_to(alpha).whole_rows.empty());
}

TEST_F(RouterRelays, RoundedRowsAreNeverComplete) {
  options.sums = quant::sum_format::f16;
  start_relay();
  const auto job = route(make_job(0, 2, some_assignments()));
  EXPECT_TRUE(call_to(alpha).whole_rows.empty());
  EXPECT_EQ(call_to(alpha).sums, quant::sum_format::f16);
  relay_answers();
  ASSERT_EQ(error_of(job), "no error");
  auto rounded = expected_sums(*job);
  schema::round_sums(rounded, hidden, options.sums);
  EXPECT_EQ(job->sums, rounded);
}

TEST_F(RouterRelays, CallsToOwnersAreDirect) {
  options.relays = topology::relay_use::never;
  start_relay();
  route(make_job(0, 2, some_assignments()));
  EXPECT_TRUE(call_to(alpha).direct);
  EXPECT_TRUE(call_to(beta).direct);
}

TEST_F(RouterRelays, ARelayIsNotAskedForWhatItOwnsAlone) {
  start_relay();
  const auto job = route(make_job(0, 1, {{0, 1, 1}, {0, 2, 1}}));
  EXPECT_TRUE(call_to(alpha).direct);
  answer_rightly(alpha);
  EXPECT_EQ(job->stats.relayed, 0u);
}

TEST_F(RouterRelays, MoreCallsThanItHasCreditsForGoToTheOwners) {
  start_relay(2);
  for (auto i = 0; i < 3; ++i)
    route(make_job(0, 2, some_assignments()));
  EXPECT_FALSE(call_to(alpha, 1).direct);
  EXPECT_TRUE(call_to(alpha, 2).direct);
  EXPECT_EQ(shards[beta].calls().size(), 1u);
  relay_answers(0); // gives a credit back
  route(make_job(0, 2, some_assignments()));
  EXPECT_FALSE(call_to(alpha, 3).direct);
}

TEST_F(RouterRelays, UnavailableMeansThatTheOwnersAreAskedAtOnce) {
  start_relay();
  const auto job = route(make_job(0, 2, some_assignments()));
  shards[alpha].fail(0, make_error(failure_code::unavailable, "experts 4-7: lost"));
  settle();
  EXPECT_TRUE(call_to(alpha, 1).direct);
  EXPECT_TRUE(call_to(beta).direct);
  answer_rightly(alpha, 1);
  answer_rightly(beta);
  EXPECT_EQ(job->sums, expected_sums(*job));
  // It is passed over for a while.
  route(make_job(0, 2, some_assignments()));
  EXPECT_TRUE(call_to(alpha, 2).direct);
  answer_rightly(alpha, 2);
  answer_rightly(beta, 1);
  advance(2s);
  route(make_job(0, 2, some_assignments()));
  EXPECT_FALSE(call_to(alpha, 3).direct);
}

TEST_F(RouterRelays, ALostRelaysRowsGoToWhoeverHasThem) {
  start({{0, 3}, {4, 7}, {0, 3}});
  reach(alpha, {64, {{2, {{0, 9}, {4, 7}}}}});
  const auto job = route(make_job(0, 2, some_assignments()));
  lose(alpha);
  answer_rightly(beta);
  answer_rightly(2);
  ASSERT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterRelays, ALateRelayIsNotASuspectOwner) {
  options.limits.failover = 10s;
  start_relay();
  const auto job = route(make_job(0, 2, some_assignments()));
  advance(101ms);
  ASSERT_EQ(shards[alpha].calls().size(), 2u);
  EXPECT_TRUE(call_to(alpha, 1).direct) << "what it owns itself";
  EXPECT_TRUE(call_to(beta).direct);
  answer_rightly(alpha, 1);
  answer_rightly(beta);
  EXPECT_EQ(job->sums, expected_sums(*job));
  relay_answers(0); // late: nobody waits for it
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterRelays, ACompleteRowThatIsNotWholeIsNotUsed) {
  options.complete_rows = false;
  start_relay();
  const auto job = route(make_job(0, 1, {{0, 1, 1}, {0, 5, 2}}));
  const auto good = relayed_answer(shards[alpha].calls()[0]);
  auto hostile = good.message;
  const auto widths = std::vector{std::byte{schema::complete_row}}; // as many bytes
  hostile.widths = widths;
  shards[alpha].answer(0, received_of(hostile));
  settle();
  answer_rightly(alpha, 1);
  answer_rightly(beta);
  ASSERT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterRelays, ASecondAddendOfACompleteRowIsNotUsed) {
  start({{0, 3}, {4, 5}, {6, 7}});
  reach(alpha, {64, {{2, {{0, 9}, {4, 5}}}}});
  const auto job = route(make_job(0, 2, {{0, 1, 1}, {0, 5, 2}, {1, 4, 1}, {1, 6, 3}}));
  // Row 1 has its sum of gamma already, and the relay says that it is complete.
  answer_rightly(2);
  const auto good = relayed_answer(shards[alpha].calls()[0]);
  auto hostile = good.message;
  const auto widths = std::vector(2, std::byte{schema::complete_row});
  hostile.widths = widths;
  shards[alpha].answer(0, received_of(hostile));
  settle();
  EXPECT_FALSE(is_done(job));
  EXPECT_TRUE(call_to(alpha, 1).direct);
  answer_rightly(alpha, 1);
  answer_rightly(beta);
  ASSERT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job)) << "nothing of the wrong answer is in it";
}

TEST_F(RouterRelays, NumbersThatAreNoSumsAreNotUsed) {
  start_relay();
  const auto job = route(make_job(0, 1, {{0, 1, 1}, {0, 5, 2}}));
  auto widths = std::vector<std::byte>{}, bytes = std::vector<std::byte>{};
  schema::put_complete_row(std::vector<float>(hidden, 1e-30f), widths, bytes);
  const auto good = relayed_answer(shards[alpha].calls()[0]);
  auto hostile = good.message;
  hostile.widths = widths;
  hostile.sums = bytes;
  shards[alpha].answer(0, received_of(hostile));
  settle();
  answer_rightly(alpha, 1);
  answer_rightly(beta);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterRelays, AnAnswerThatACondemnedNodeHadAPartInIsNotUsed) {
  start({{0, 3}, {4, 7}, {4, 7}});
  reach(alpha, {64, {{2, {{0, 9}, {4, 7}}}}});
  const auto job = route(make_job(0, 2, some_assignments()));
  options.makers->condemn(2, "it lied");
  relay_answers();
  EXPECT_FALSE(is_done(job));
  EXPECT_TRUE(shards[beta].calls().empty());
  answer_rightly(alpha, 1);
  answer_rightly(2);
  EXPECT_EQ(job->sums, expected_sums(*job));
  advance(2s);
  route(make_job(0, 2, some_assignments()));
  EXPECT_TRUE(call_to(alpha, 2).direct) << "the relay might ask it again";
}

TEST_F(RouterRelays, AnUnknownMakersAnswerIsNotUsed) {
  start_relay();
  const auto job = route(make_job(0, 2, some_assignments()));
  relay_answers(0, true, {99});
  EXPECT_FALSE(is_done(job));
  EXPECT_EQ(shards[beta].calls().size(), 1u) << "the owner is asked";
}

TEST_F(RouterRelays, OthersHaveNoPartInADirectAnswer) {
  options.relays = topology::relay_use::never;
  start_relay();
  const auto job = route(make_job(0, 1, {{0, 1, 1}}));
  const auto right = right_answer(shards[alpha].calls()[0]);
  auto wrong = right.message;
  const auto makers = std::vector<std::uint64_t>{2};
  wrong.makers = std::as_bytes(std::span{makers});
  shards[alpha].answer(0, received_of(wrong));
  settle();
  EXPECT_NE(error_of(job), "no error");
}

TEST_F(RouterRelays, WhatIsReachedIsNoReplicaAndNoWitness) {
  options.relays = topology::relay_use::never;
  options.spot_check = 1; // every call
  options.limits.failover = 0ms;
  start_relay();
  const auto job = route(make_job(0, 1, {{0, 5, 1}}));
  EXPECT_TRUE(shards[alpha].calls().empty()) << "alpha only reaches expert 5";
  shards[beta].fail(0, make_error(failure_code::link_lost, "gone"));
  settle();
  EXPECT_TRUE(shards[alpha].calls().empty());
  EXPECT_NE(error_of(job), "no error");
}

TEST_F(RouterRelays, IsTakenWhereItWasTheFasterWay) {
  options.relays = topology::relay_use::measured;
  start_relay();
  const auto pass = [&](std::chrono::milliseconds direct, std::chrono::milliseconds relayed) {
    const auto calls = std::array{shards[alpha].calls().size(), shards[beta].calls().size()};
    const auto job = route(make_job(0, 2, some_assignments()));
    const auto by_relay = !call_to(alpha, calls[0]).direct;
    advance(by_relay ? relayed : direct);
    if (by_relay) {
      relay_answers(calls[0]);
    } else {
      answer_rightly(alpha, calls[0]);
      answer_rightly(beta, calls[1]);
    }
    EXPECT_EQ(job->sums, expected_sums(*job));
    return by_relay;
  };
  auto relayed = 0;
  for (auto i = 0; i < 8; ++i)
    relayed += pass(20ms, 5ms);
  EXPECT_EQ(relayed, 4) << "both are tried";
  for (auto i = 0; i < 5; ++i)
    EXPECT_TRUE(pass(20ms, 5ms));
  for (auto i = 0; i < 20; ++i)
    pass(20ms, 60ms);
  EXPECT_FALSE(pass(20ms, 60ms));
}

} // namespace
} // namespace larql::actors
