// Mirrors actors/node/relay.hpp: how a call is split, and what is made of the answers.

#include "tests/actors/node/relay_fixture.hpp"

namespace larql::test {
namespace {

class Relay : public relay_fixture {};

constexpr auto whole = std::byte{1}, part = std::byte{0};

TEST_F(Relay, AddsWhatItsShardAndTheOwnersAnswer) {
  start({{4, 7}, {8, 11}});
  const auto q = question{2, {{0, 1, 2}, {1, 3, 1}, {0, 5, 3}, {1, 6, 1}, {1, 9, 2}}};
  const auto a = put(q);
  shard_answers();
  owner_answers(1);
  EXPECT_TRUE(a->pending());
  owner_answers(0);
  const auto r = result_in(a);
  EXPECT_EQ(r.sums, sums_of(q));
  EXPECT_EQ(r.makers, (std::vector<std::uint64_t>{3, 2}));
  EXPECT_EQ(r.raw.incarnation, 1u);
  EXPECT_EQ(r.raw.compute_ns, 500u);
  EXPECT_EQ(r.raw.queue_ns, 70u);
  EXPECT_EQ(r.widths, (std::vector{4, 4}));
}

TEST_F(Relay, WithoutOwnExpertsTheShardIsNotAsked) {
  start({{4, 7}});
  const auto q = question{1, {{0, 4, 1}, {0, 7, 2}}};
  const auto a = put(q);
  owner_answers(0);
  EXPECT_EQ(result_in(a).sums, sums_of(q));
  EXPECT_TRUE(shard.calls().empty());
}

TEST_F(Relay, WholeRowsAreCompleteAndTheOthersStayIntegers) {
  start({{4, 7}});
  const auto q = question{3, {{0, 1, 1}, {2, 1, 1}, {0, 5, 1}, {1, 5, 2}}, {whole, part, whole}};
  const auto a = put(q);
  shard_answers();
  owner_answers(0);
  const auto r = result_in(a);
  EXPECT_EQ(r.sums, sums_of(q));
  EXPECT_EQ(r.widths, (std::vector<int>{schema::complete_row, 4, schema::complete_row}));
}

TEST_F(Relay, WhatIsOwnedGoesToTheShardAsItCame) {
  start({{4, 7}});
  const auto a = put({1, {{0, 0, 1}, {0, 3, 1}}});
  ASSERT_EQ(shard.calls().size(), 1u);
  EXPECT_FALSE(shard.calls()[0].message.direct);
  EXPECT_EQ(shard.calls()[0].message.id, 100u);
  shard_answers();
  EXPECT_TRUE(a->value);
  EXPECT_TRUE(owners[0].calls().empty());
}

TEST_F(Relay, ADirectCallIsNeverForwarded) {
  start({{4, 7}});
  (void) put({1, {{0, 1, 1}, {0, 5, 1}}, {}, true});
  ASSERT_EQ(shard.calls().size(), 1u); // which says notOwner
  EXPECT_EQ(shard.calls()[0].message.pick_experts.size(), 4u);
  EXPECT_TRUE(owners[0].calls().empty());
}

TEST_F(Relay, TwoThatReachEachOtherDoNotPassACallRound) {
  start({{4, 7}});
  (void) put({1, {{0, 5, 1}}});
  // The call as it comes to another relay, which does not own the expert either.
  const auto other_shard = std::make_unique<fake_shard>();
  const auto other =
      spawn_state<relay_state>(sys, relay_options{self_description, other_shard->spawn(sys),
                                                  **kernels::kernels_by_name("scalar")});
  auto view = std::make_shared<cluster_view>();
  view->members = members;
  caf::anon_send(other, view_atom::value, cluster_view_ptr{std::move(view)});
  const auto forwarded = received_of(call_to(0));
  (void) ask<encoded_frame>(other, run_atom::value,
                            received_call{{forwarded.buffer, forwarded.message}, {}, nullptr});
  EXPECT_EQ(other_shard->calls().size(), 1u);
  EXPECT_EQ(owners[0].calls().size(), 1u);
  caf::anon_send_exit(other, caf::exit_reason::user_shutdown);
  settle();
}

TEST_F(Relay, AnOwnerGetsTheRowsThatNeedItAndTheTimeThatIsLeft) {
  start({{4, 7}, {8, 11}});
  (void) put({3, {{0, 4, 1}, {2, 6, 5}, {1, 9, 1}}, {}, false, 250ms});
  const auto call = call_to(0);
  EXPECT_TRUE(call.direct);
  EXPECT_EQ(call.remaining_us, 250'000u);
  EXPECT_EQ(call.rows, 2u);
  EXPECT_EQ(call.layer, 2u);
  EXPECT_TRUE(call.whole_rows.empty());
  EXPECT_EQ(number_at<float>(call.activations, 0), 1);
  EXPECT_EQ(number_at<float>(call.activations, hidden), 21) << "row 2 of the call";
  EXPECT_EQ(number_at<std::uint32_t>(call.pick_rows, 1), 1u);
  EXPECT_EQ(number_at<std::uint16_t>(call.pick_experts, 1), 6);
  EXPECT_EQ(call_to(1).rows, 1u);
}

TEST_F(Relay, ReplicasShareWhatIsAsked) {
  start({{4, 7}, {4, 7}});
  (void) put({1, {{0, 4, 1}, {0, 5, 1}}});
  (void) put({1, {{0, 4, 1}, {0, 5, 1}}});
  EXPECT_EQ(owners[0].calls().size(), 1u) << "one call has one of them";
  EXPECT_EQ(owners[1].calls().size(), 1u);
}

TEST_F(Relay, OwnersAnswerExactlyAndTheirSumIsRoundedOnce) {
  start({{4, 7}});
  auto q = question{2, {{0, 1, 1001}, {1, 1, 301}, {0, 5, 99}, {1, 6, 777}}};
  q.whole = {std::byte{1}, std::byte{1}};
  q.sums = quant::sum_format::bf16;
  const auto a = put(q);
  EXPECT_EQ(call_to(0).sums, quant::sum_format::exact);
  EXPECT_EQ(shard.calls().at(0).message.sums, quant::sum_format::exact);
  owner_answers(0);
  shard_answers();
  auto expected = sums_of(q);
  schema::round_sums(expected, hidden, q.sums);
  EXPECT_EQ(result_in(a).sums, expected);
  EXPECT_NE(expected, sums_of(q));
}

TEST_F(Relay, WhatItOwnsAloneItsShardRounds) {
  start({{4, 7}});
  auto q = question{1, {{0, 1, 1}, {0, 2, 1}}};
  q.sums = quant::sum_format::f16;
  (void) put(q);
  EXPECT_EQ(shard.calls().at(0).message.sums, quant::sum_format::f16);
}

TEST_F(Relay, OwnAndForwardedWorkAreCountedApart) {
  start({{4, 7}});
  const auto a = put({2, {{0, 1, 1}, {1, 5, 1}}});
  advance(3ms);
  owner_answers(0);
  shard_answers();
  EXPECT_EQ(result_in(a).raw.forward_ns, 3'000'000u);
  EXPECT_EQ(counters->relayed_calls, 1u);
  EXPECT_EQ(counters->forwarded_calls, 1u);
  EXPECT_EQ(counters->forwarded_rows, 1u);
  EXPECT_EQ(counters->forward_ns, 3'000'000u);
  EXPECT_EQ(counters->rows, 0u) << "the shard counts its own";
}

TEST_F(Relay, ItselfAndNodesThatDoNotServeAreNotAsked) {
  start({{4, 7}, {4, 7}, {4, 7}});
  auto self = std::make_shared<schema::node_description>(*members[0].description);
  self->incarnation = 1;
  members[0].description = self;
  members[1].state = schema::node_state::draining;
  publish();
  (void) put({1, {{0, 4, 1}}});
  EXPECT_TRUE(owners[0].calls().empty());
  EXPECT_TRUE(owners[1].calls().empty());
  EXPECT_EQ(owners[2].calls().size(), 1u);
}

} // namespace
} // namespace larql::test
