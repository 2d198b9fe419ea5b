// Mirrors actors/calls/supervisor.hpp: names that stand for many nodes, and nodes that announce
// themselves.

#include "tests/actors/calls/supervisor_fixture.hpp"

namespace larql::actors {
namespace {

// ---- names that stand for many nodes
// -------------------------------------------------------------

TEST_F(Supervisor, EveryAddressOfANameIsDialledAndTheNameIsAskedAgain) {
  topo.find.dns = {{"nodes", 9470, true}};
  start();
  EXPECT_EQ(resolved.size(), 1u);
  found("nodes:9470", {{"10.0.0.1", 9470, true}, {"10.0.0.2", 9470, true}});
  ASSERT_EQ(dials.size(), 2u);
  connects(0, node("alpha", 1, {0, 3}));
  connects(1, node("beta", 2, {4, 7}));
  advance(5s);
  EXPECT_EQ(resolved.size(), 2u);
  found("nodes:9470",
        {{"10.0.0.1", 9470, true}, {"10.0.0.2", 9470, true}, {"10.0.0.3", 9470, true}});
  ASSERT_EQ(dials.size(), 3u); // the new one only
  EXPECT_EQ(dials[2].address, "10.0.0.3:9470");
}

TEST_F(Supervisor, AnAddressThatIsNotListedAnyMoreIsUsedUntilItIsLostAndThenForgotten) {
  topo.find.dns = {{"nodes", 9470, false}};
  start();
  found("nodes:9470", {{"10.0.0.1", 9470, false}, {"10.0.0.2", 9470, false}});
  connects(0, node("alpha", 1, {0, 3}));
  connects(1, node("beta", 2, {4, 7}));
  found("nodes:9470", {{"10.0.0.1", 9470, false}});
  EXPECT_EQ(members(), "alpha 0-3, beta 4-7");
  lose(1);
  EXPECT_EQ(members(), "alpha 0-3");
  advance(100ms);
  ASSERT_EQ(dials.size(), 3u); // once more: the name server may have been wrong
  fails(2, refused());
  EXPECT_EQ(last->targets.size(), 1u);
  EXPECT_EQ(why_missing(), "");
  advance(10s);
  EXPECT_EQ(dials.size(), 3u);
}

TEST_F(Supervisor, AnAddressThatIsListedAgainIsKept) {
  topo.find.dns = {{"nodes", 9470, false}};
  start();
  const auto both =
      std::vector<topology::shard_url>{{"10.0.0.1", 9470, false}, {"10.0.0.2", 9470, false}};
  found("nodes:9470", both);
  fails(1, refused());
  found("nodes:9470", {both[0]});
  found("nodes:9470", both);
  advance(100ms);
  ASSERT_EQ(dials.size(), 3u);
  fails(2, refused());
  EXPECT_EQ(last->targets.size(), 2u);
}

TEST_F(Supervisor, WhileANameServerIsInTroubleItsLastAnswerHolds) {
  topo.find.dns = {{"nodes", 9470, false}};
  start();
  not_found("nodes:9470");
  EXPECT_EQ(dials.size(), 0u);
  advance(5s);
  EXPECT_EQ(resolved.size(), 2u);
  found("nodes:9470", {{"10.0.0.1", 9470, false}});
  connects(0, node("alpha", 1));
  not_found("nodes:9470");
  lose(0);
  advance(100ms);
  EXPECT_EQ(dials.size(), 2u);
  fails(1, refused());
  EXPECT_EQ(last->targets.size(), 1u);
}

TEST_F(Supervisor, ANameAndAStaticNodeWithOneAddressAreOneTarget) {
  topo.nodes = {entry("alpha", 9470)};
  topo.find.dns = {{"nodes", 9470, false}};
  start();
  found("nodes:9470", {{"10.0.0.1", 9470, false}});
  EXPECT_EQ(dials.size(), 1u);
  found("nodes:9470", {}); // and the static one stays
  fails(0, refused());
  EXPECT_EQ(last->targets.size(), 1u);
}

// ---- nodes that announce themselves
// --------------------------------------------------------------

TEST_F(Supervisor, ANodeThatOwnsExpertsIsToldToServe) {
  start();
  const auto answer = announce(serving(node("alpha", 1, {0, 3})));
  ASSERT_TRUE(answer->value);
  EXPECT_EQ((*answer->value)->verdict, schema::verdict::serve);
  EXPECT_EQ(members(), ""); // not before its connection is there
  joins(node("alpha", 1, {0, 3}), "10.0.0.7:40001");
  EXPECT_EQ(members(), "alpha 0-3");
}

TEST_F(Supervisor, ASecondNodeOfANameIsRefusedWithTheReasonWhileTheFirstIsThere) {
  start();
  joins(node("alpha", 1, {0, 3}), "10.0.0.7:40001");
  const auto answer = announce(serving(node("alpha", 2, {4, 7})));
  ASSERT_TRUE(answer->error);
  EXPECT_NE(text_of(*answer->error)
                .find("this laptop: another node calls itself alpha, connected at 10.0.0.7:40001"),
            std::string::npos)
      << text_of(*answer->error);
  joins(node("alpha", 2, {4, 7}), "10.0.0.8:40002"); // who comes all the same
  EXPECT_EQ(members(), "alpha 0-3");
  EXPECT_TRUE(announce(serving(node("alpha", 1, {0, 3})))->value); // the same again
}

TEST_F(Supervisor, ANodeThatWasDialledIsRefusedUnderTheNameOfOneThatAnnouncedItself) {
  topo.nodes = {entry("", 1)};
  start();
  joins(node("alpha", 1, {0, 3}), "10.0.0.7:40001");
  connects(0, node("alpha", 2, {4, 7}));
  EXPECT_EQ(members(), "alpha 0-3");
  EXPECT_NE(why_missing().find(
                "10.0.0.1:1: another node calls itself alpha, connected at 10.0.0.7:40001"),
            std::string::npos)
      << why_missing();
}

TEST_F(Supervisor, ANodeIsRefusedUnderTheNameOfOneThatWasDialled) {
  topo.nodes = {entry("", 1)};
  start();
  connects(0, node("alpha", 1));
  EXPECT_TRUE(announce(serving(node("alpha", 2)))->error);
  EXPECT_EQ(members(), "alpha 0-7");
}

TEST_F(Supervisor, ANodeThatWasDialledNeedsNoSecondConnection) {
  topo.nodes = {entry("alpha", 1)};
  start();
  connects(0, node("alpha", 1));
  const auto answer = announce(serving(node("alpha", 1)));
  ASSERT_TRUE(answer->value);
  EXPECT_EQ((*answer->value)->verdict, schema::verdict::standby);
  lose(0);
  EXPECT_EQ((*announce(serving(node("alpha", 1)))->value)->verdict, schema::verdict::serve);
}

TEST_F(Supervisor, ANodeThatHasLostItsConnectionIsReachedByItsNewOne) {
  start();
  joins(node("alpha", 1), "10.0.0.7:40001");
  EXPECT_EQ((*announce(serving(node("alpha", 1)))->value)->verdict, schema::verdict::serve);
  joins(node("alpha", 1), "10.0.0.7:40002"); // before the laptop knows that the old one has ended
  ASSERT_EQ(view->members.size(), 1u);
  EXPECT_EQ(view->members[0].address, "10.0.0.7:40002");
  EXPECT_EQ(links.size(), 2u);
}

TEST_F(Supervisor, AnAnnouncedNodeOfAnotherModelIsRefusedWithTheDifference) {
  start();
  auto d = node("alpha", 1);
  d.model.experts = 128;
  const auto answer = announce(serving(d));
  ASSERT_TRUE(answer->error);
  EXPECT_NE(text_of(*answer->error).find("experts 8 on the laptop (\"tiny\"), 128 on the node"),
            std::string::npos)
      << text_of(*answer->error);
  auto offer = offering("beta", 2, 4);
  offer.node.model.hidden = 1;
  EXPECT_TRUE(announce(offer)->error);
}

TEST_F(Supervisor, MemoryIsFilledWithWhatIsMissing) {
  start();
  const auto answer = announce(offering("alpha", 1, 5));
  ASSERT_TRUE(answer->value);
  EXPECT_EQ((*answer->value)->verdict, schema::verdict::load);
  EXPECT_EQ((*answer->value)->experts, (experts::index_range{0, 4}));
}

TEST_F(Supervisor, TwoNodesThatOfferMemoryGetDifferentExperts) {
  start();
  EXPECT_EQ((*announce(offering("alpha", 1, 5))->value)->experts, (experts::index_range{0, 4}));
  EXPECT_EQ((*announce(offering("beta", 2, 5))->value)->experts, (experts::index_range{5, 7}));
  const auto third = *announce(offering("gamma", 3, 5))->value;
  EXPECT_EQ(third->verdict, schema::verdict::standby);
  EXPECT_EQ(third->retry_ms, 5000u);
}

TEST_F(Supervisor, ANodeThatAsksAgainGetsTheSameExpertsAgain) {
  // It was restarted while it loaded: its experts must not be kept from it until the promise ends.
  start();
  EXPECT_EQ((*announce(offering("alpha", 1, 5))->value)->experts, (experts::index_range{0, 4}));
  const auto again = *announce(offering("alpha", 2, 5))->value;
  EXPECT_EQ(again->verdict, schema::verdict::load);
  EXPECT_EQ(again->experts, (experts::index_range{0, 4}));
  EXPECT_EQ((*announce(offering("beta", 3, 5))->value)->experts, (experts::index_range{5, 7}));
}

TEST_F(Supervisor, WhatConnectedNodesAndStaticNodesHaveIsNotMissing) {
  topo.nodes = {entry("alpha", 1, {{0, 1}})}; // will come, even if it is not there now
  start();
  joins(node("beta", 2, {2, 3}), "10.0.0.7:1");
  EXPECT_EQ((*announce(offering("gamma", 3, 10))->value)->experts, (experts::index_range{4, 7}));
}

TEST_F(Supervisor, APromiseIsKeptWhenTheNodeComesAndFreeAgainWhenItIsLost) {
  start();
  EXPECT_EQ((*announce(offering("alpha", 1, 5))->value)->experts, (experts::index_range{0, 4}));
  joins(node("alpha", 9, {0, 4}), "10.0.0.7:1");
  EXPECT_EQ((*announce(offering("beta", 2, 2))->value)->experts, (experts::index_range{5, 6}));
  lose(0);
  EXPECT_EQ((*announce(offering("gamma", 3, 5))->value)->experts, (experts::index_range{0, 4}));
}

TEST_F(Supervisor, APromiseThatIsNotKeptExpires) {
  start();
  EXPECT_EQ((*announce(offering("alpha", 1, 8))->value)->experts, (experts::index_range{0, 7}));
  advance(299s);
  EXPECT_EQ((*announce(offering("beta", 2, 8))->value)->verdict, schema::verdict::standby);
  advance(2s);
  EXPECT_EQ((*announce(offering("beta", 2, 8))->value)->experts, (experts::index_range{0, 7}));
}

TEST_F(Supervisor, AnOfferTooSmallForOneExpertStandsBy) {
  start();
  EXPECT_EQ((*announce(offering("alpha", 1, 0))->value)->verdict, schema::verdict::standby);
}

} // namespace
} // namespace larql::actors
