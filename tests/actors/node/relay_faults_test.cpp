// Mirrors actors/node/relay.hpp: lost and slow owners, wrong answers, and how much may be under
// way.

#include "tests/actors/node/relay_fixture.hpp"

namespace larql::test {
namespace {

class RelayFaults : public relay_fixture {
protected:
  void owner_fails(std::size_t owner, failure_code code, std::size_t i = 0) {
    owners.at(owner).fail(
        i, make_error(code, fmt::format("owner{} is {}", owner, schema::name_of(code))));
    settle();
  }
};

TEST_F(RelayFaults, ALostOwnersReplicaIsAskedInItsPlace) {
  start({{4, 7}, {4, 7}});
  const auto q = question{1, {{0, 5, 2}}};
  const auto a = put(q);
  owner_fails(0, failure_code::link_lost);
  EXPECT_TRUE(a->pending());
  owner_answers(1);
  EXPECT_EQ(result_in(a).sums, sums_of(q));
  EXPECT_EQ(result_in(a).makers, (std::vector<std::uint64_t>{3}));
}

TEST_F(RelayFaults, SeveralOwnersMayTakeThePlaceOfOne) {
  start({{4, 9}, {4, 6}, {7, 9}});
  const auto q = question{2, {{0, 5, 2}, {1, 8, 1}}};
  const auto a = put(q);
  owner_fails(0, failure_code::not_owner);
  owner_answers(1);
  owner_answers(2);
  EXPECT_EQ(result_in(a).sums, sums_of(q));
}

TEST_F(RelayFaults, WithoutAnotherOwnerTheRangeIsUnavailableAtOnce) {
  start({{4, 7}, {8, 11}});
  const auto a = put({1, {{0, 1, 1}, {0, 5, 1}, {0, 7, 1}, {0, 9, 1}}});
  owner_fails(0, failure_code::not_owner);
  EXPECT_EQ(failure_in(a), "unavailable 5-7: experts 5-7: owner0 is not owner");
  EXPECT_EQ(counters->failed, 1u);
  shard_answers(); // what comes later is dropped
  owner_answers(1);
}

TEST_F(RelayFaults, NobodyIsAskedTwiceForOneCall) {
  start({{4, 7}, {4, 7}});
  const auto a = put({1, {{0, 5, 1}}});
  owner_fails(0, failure_code::restarting);
  owner_fails(1, failure_code::restarting);
  EXPECT_EQ(failure_in(a), "unavailable 5: experts 5: owner1 is restarting");
  EXPECT_EQ(owners[0].calls().size(), 1u);
}

TEST_F(RelayFaults, ExpertsThatNobodyHasAreNotWaitedFor) {
  start({{4, 7}});
  const auto a = put({1, {{0, 5, 1}, {0, 40, 1}, {0, 50, 1}}});
  EXPECT_EQ(failure_in(a),
            "unavailable 40-50: experts 40-50: no owner of them is connected to this node");
  EXPECT_TRUE(owners[0].calls().empty());
}

TEST_F(RelayFaults, ACallEndsWhenItsSenderDoesNotWaitAnyMore) {
  start({{4, 7}, {4, 7}});
  const auto a = put({1, {{0, 5, 1}, {0, 6, 1}}, {}, false, 80ms});
  advance(79ms);
  EXPECT_TRUE(a->pending());
  advance(1ms);
  EXPECT_EQ(failure_in(a), "unavailable 5-6: experts 5-6: no answer within 80 ms");
  owner_answers(0); // late
  EXPECT_TRUE(owners[1].calls().empty());
}

TEST_F(RelayFaults, AfterThatTimeNobodyElseIsAsked) {
  start({{4, 7}, {4, 7}, {8, 9}});
  const auto a = put({1, {{0, 5, 1}, {0, 8, 1}}, {}, false, 80ms});
  advance(50ms);
  owner_fails(0, failure_code::overloaded);
  EXPECT_EQ(call_to(1).remaining_us, 30'000u);
  advance(30ms);
  EXPECT_EQ(failure_in(a), "unavailable 5-8: experts 5-8: no answer within 80 ms");
}

TEST_F(RelayFaults, ACallThatDoesNotSayHowLongHasTheRelaysTime) {
  start({{4, 7}});
  const auto a = put({1, {{0, 5, 1}}});
  EXPECT_EQ(call_to(0).remaining_us, 1'000'000u);
  advance(1s);
  EXPECT_FALSE(a->pending());
}

TEST_F(RelayFaults, WrongAnswersOfAnOwnerAreNotUsed) {
  const auto other_rows = [](schema::expert_result& r) { r.rows = 2; };
  const auto no_sums = [](schema::expert_result& r) { r.sums = {}; };
  static constexpr auto complete = std::array{std::byte{schema::complete_row}};
  const auto is_complete = [](schema::expert_result& r) { r.widths = complete; };
  static const auto others = std::array<std::byte, 8>{std::byte{9}};
  const auto by_others = [](schema::expert_result& r) { r.makers = others; };
  start({{4, 7}, {4, 7}});
  const auto q = question{1, {{0, 5, 2}}};
  const auto wrongs = std::vector<std::function<void(schema::expert_result&)>>{
      other_rows, no_sums, is_complete, by_others};
  for (const auto& wrong : wrongs) {
    const auto asked = std::array{owners[0].calls().size(), owners[1].calls().size()};
    const auto a = put(q);
    const auto first = owners[0].calls().size() > asked[0] ? 0u : 1u;
    const auto right = right_answer(owners[first].calls().back());
    auto r = right.message;
    wrong(r);
    owners[first].answer(owners[first].calls().size() - 1, received_of(r));
    settle();
    const auto second = 1 - first;
    ASSERT_EQ(owners[second].calls().size(), asked[second] + 1);
    owner_answers(second, asked[second]);
    EXPECT_EQ(result_in(a).sums, sums_of(q));
  }
  EXPECT_EQ(counters->forward_failures, 4u);
}

TEST_F(RelayFaults, AnOwnerHasAtMostAsManyCallsAsItTakes) {
  start({{4, 7}});
  auto answers = std::vector<answer_ptr>{};
  for (auto i = 0u; i < schema::call_window; ++i)
    answers.push_back(put({1, {{0, 5, 1}}}));
  EXPECT_EQ(owners[0].calls().size(), 64u) << "no thread waits for any of them";
  const auto refused = put({1, {{0, 5, 1}}});
  EXPECT_EQ(failure_in(refused),
            "overloaded 5: experts 5: too many calls wait at the owner already");
  owner_answers(0, 10);
  EXPECT_TRUE(answers[10]->value);
  EXPECT_TRUE(put({1, {{0, 5, 1}}})->pending());
}

TEST_F(RelayFaults, WhatIsGivenUpCountsUntilItsOwnerHasAnswered) {
  start({{4, 7}});
  for (auto i = 0u; i < schema::call_window; ++i)
    (void) put({1, {{0, 5, 1}}, {}, false, 10ms});
  advance(10ms);
  EXPECT_EQ(failure_in(put({1, {{0, 5, 1}}})).substr(0, 10), "overloaded");
  owner_answers(0, 0);
  EXPECT_TRUE(put({1, {{0, 5, 1}}})->pending());
}

TEST_F(RelayFaults, WhatTheShardSaysOfItsPartIsPassedOn) {
  start({{4, 7}});
  const auto a = put({1, {{0, 1, 1}, {0, 5, 1}}});
  auto frame = std::make_shared<std::vector<char>>();
  schema::encode(schema::call_failed{100, 1, failure_code::bad_call, "call: rows is 0"}, *frame);
  shard.answer(0, {frame});
  settle();
  EXPECT_EQ(failure_in(a), "bad call 0: call: rows is 0");
  const auto b = put({1, {{0, 1, 1}, {0, 5, 1}}});
  shard.fail(1, make_error(failure_code::restarting, "the shard failed"));
  settle();
  EXPECT_EQ(failure_in(b), "error: the shard failed");
}

TEST_F(RelayFaults, PicksThatMakeNoSenseAreABadCall) {
  start({{4, 7}});
  EXPECT_EQ(failure_in(put({1, {{0, 5, 1}, {0, 4, 1}}})),
            "bad call 0: call: pickExperts [1] is 4 after 5");
  EXPECT_EQ(failure_in(put({1, {{3, 5, 1}}})),
            "bad call 0: call: pickRows [0] is 3, the call has 1 rows");
}

TEST_F(RelayFaults, MemoryForAnswersIsBounded) {
  counters->buffers = std::make_shared<memory_budget>(1000, 0);
  start({{4, 7}});
  EXPECT_EQ(failure_in(put({100, {{0, 5, 1}}})),
            "overloaded 0: no memory is left for the answers of others");
  EXPECT_TRUE(put({1, {{0, 5, 1}}})->pending());
}

TEST_F(RelayFaults, ADrainWaitsForWhatIsUnderWayAndTakesNothingMore) {
  start({{4, 7}});
  const auto q = question{1, {{0, 5, 1}}};
  const auto a = put(q);
  auto drained = false;
  sys.spawn([&](caf::event_based_actor* self) {
    self->request(relay, 60min, drain_atom::value).then([&] { drained = true; });
  });
  settle();
  EXPECT_FALSE(drained);
  EXPECT_EQ(failure_in(put(q)), "error: the node is draining");
  EXPECT_TRUE(a->pending());
  owner_answers(0);
  EXPECT_EQ(result_in(a).sums, sums_of(q));
  EXPECT_TRUE(drained);
}

TEST_F(RelayFaults, ARelayThatEndsFailsItsCallsAndItsShardEndsWithIt) {
  start({{4, 7}});
  const auto a = put({1, {{0, 5, 1}}});
  caf::anon_send_exit(shard.actor(), caf::exit_reason::kill);
  settle();
  EXPECT_EQ(failure_in(a), "error: the relay has ended");
}

} // namespace
} // namespace larql::test
