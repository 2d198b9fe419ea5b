// Mirrors actors/calls/supervisor.hpp. No threads, no sockets: what dialling and resolving find is
// what the test says, and time moves when the test says so.

#include "tests/actors/calls/supervisor_fixture.hpp"

namespace larql::actors {
namespace {

// ---- dialling -----------------------------------------------------------------------------------

TEST_F(Supervisor, DialsEveryNodeAndTellsTheRouterWhoIsThere) {
  topo.nodes = {entry("beta", 2, {{4, 7}}), entry("alpha", 1, {{0, 3}})};
  start();
  ASSERT_EQ(dials.size(), 2u);
  EXPECT_EQ(dials[0].address, "10.0.0.1:2");
  connects(0, node("beta", 22, {4, 7}));
  EXPECT_EQ(members(), "beta 4-7");
  connects(1, node("alpha", 11, {0, 3}));
  EXPECT_EQ(members(), "alpha 0-3, beta 4-7");
  EXPECT_EQ(why_missing(), "");
  EXPECT_TRUE(last->targets[0].connected);
}

TEST_F(Supervisor, AFailedDialIsRepeatedAfterABackOffThatGrowsUpToItsMaximum) {
  topo.nodes = {entry("alpha", 1)};
  start();
  fails(0, refused());
  EXPECT_EQ(why_missing(), "node alpha (10.0.0.1:1): Connection refused");
  EXPECT_EQ(last->targets[0].attempts, 1u);
  auto expected = 75ms; // half of 100 ms, and half of the other half
  for (auto i = std::size_t{1}; i < 8; ++i) {
    advance(expected - 1ms);
    ASSERT_EQ(dials.size(), i) << "too early";
    advance(1ms);
    ASSERT_EQ(dials.size(), i + 1);
    fails(i, refused());
    expected = std::min(2 * expected, 750ms);
  }
}

TEST_F(Supervisor, EveryErrorOfATargetNamesNodeAndAddressOnce) {
  topo.nodes = {entry("a", 1)}; // a name that is part of many words
  start();
  const auto says = [&](std::size_t dial, const std::string& found) {
    fails(dial, fail(errc::unavailable, "{}", found));
    advance(1s);
    return why_missing();
  };
  const auto expected = std::string{"node a (10.0.0.1:1): read failed"};
  EXPECT_EQ(says(0, "10.0.0.1:1: read failed"), expected);
  EXPECT_EQ(says(1, "caf://10.0.0.1:1: read failed"), expected);
  EXPECT_EQ(says(2, "read failed"), expected);
  EXPECT_EQ(says(3, "x: node a serves another model"), "x: node a serves another model");
}

TEST_F(Supervisor, ASuccessResetsTheBackOff) {
  topo.nodes = {entry("alpha", 1)};
  start();
  for (auto i = std::size_t{0}; i < 5; ++i) {
    fails(i, refused());
    advance(1s);
  }
  connects(5, node("alpha", 1));
  EXPECT_EQ(last->targets[0].attempts, 0u);
  EXPECT_EQ(last->targets[0].last_error, "");
  lose(0);
  EXPECT_EQ(members(), "");
  advance(75ms);
  EXPECT_EQ(dials.size(), 7u);
}

TEST_F(Supervisor, ATargetIsDialledOnceAtATime) {
  topo.nodes = {entry("alpha", 1)};
  start();
  for (auto i = 0; i < 5; ++i)
    caf::anon_send(supervisor, dial_atom::value, dials[0].target);
  settle();
  advance(10s);
  EXPECT_EQ(dials.size(), 1u); // the connector always answers, by its own deadline
  connects(0, node("alpha", 1));
  caf::anon_send(supervisor, dial_atom::value, dials[0].target);
  settle();
  EXPECT_EQ(dials.size(), 1u);
}

TEST_F(Supervisor, AnOutcomeForATargetThatIsGoneIsHarmless) {
  start();
  dials.push_back({4711, "x:1"});
  connects(0, node("alpha", 1));
  fails(0, refused());
  EXPECT_EQ(links.size(), 0u);
}

// ---- nodes that are not what they should be
// ------------------------------------------------------

TEST_F(Supervisor, ANodeThatIsNotWhatTheTopologySaysIsRefusedAndTheDifferenceIsSaid) {
  const auto refuses = [&](auto change, const char* part) {
    topo.nodes = {entry("alpha", 1, {{0, 3}})};
    topo.nodes[0].layers = {{0, 2}};
    dials.clear();
    start();
    auto d = node("alpha", 1, {0, 3});
    change(d);
    connects(0, d);
    EXPECT_EQ(members(), "") << part;
    EXPECT_NE(why_missing().find(part), std::string::npos) << why_missing();
    EXPECT_NE(why_missing().find("10.0.0.1:1"), std::string::npos) << why_missing();
    EXPECT_TRUE(last->targets[0].refused);
    // It may be repaired: the supervisor asks again.
    advance(1s);
    EXPECT_EQ(dials.size(), 2u);
    connects(1, node("alpha", 2, {0, 3}));
    EXPECT_EQ(members(), "alpha 0-3");
    EXPECT_FALSE(last->targets[0].refused);
    caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(router, caf::exit_reason::user_shutdown);
    settle();
  };
  using d = schema::node_description;
  refuses([](d& x) { x.model.hidden = 2816; },
          "hidden size 256 on the laptop (\"tiny\"), 2816 on the node");
  refuses([](d& x) { x.model.weights[3] = std::byte{1}; }, "other fingerprints");
  refuses(
      [](d& x) { x.model.weights_digest->back() = std::byte{1}; },
      "other weights of the experts: weights digest 0000000000000000… on the laptop (\"tiny\"), ");
  refuses([](d& x) { x.node = "omega"; }, "calls itself omega, the topology calls it alpha");
  refuses([](d& x) { x.owned.experts = {0, 2}; }, "owns experts 0-2, the topology says 0-3");
  refuses([](d& x) { x.owned.experts = {1, 3}; }, "owns experts 1-3");
  refuses(
      [](d& x) {
        x.owned.layers = {0, 1};
        x.formats.pop_back();
      },
      "owns layers 0-1, the topology says 0-2");
}

TEST_F(Supervisor, ANodeWithALayerInAnotherEncodingIsRefused) {
  topo.nodes = {entry("alpha", 1, {{0, 3}}), entry("beta", 2, {{4, 7}})};
  start();
  connects(0, node("alpha", 1, {0, 3}));
  auto other = node("beta", 2, {4, 7});
  other.formats[1] = quant::activation_format::f32;
  connects(1, other);
  EXPECT_EQ(members(), "alpha 0-3");
  EXPECT_NE(why_missing().find("node beta holds layer 1 in another encoding"), std::string::npos)
      << why_missing();
}

TEST_F(Supervisor, ANodeThatOwnsMoreIsUsedForAllOfIt) {
  topo.nodes = {entry("alpha", 1, {{0, 3}})};
  start();
  connects(0, node("alpha", 1, {0, 7}));
  EXPECT_EQ(members(), "alpha 0-7");
}

TEST_F(Supervisor, TheShortFormUsesNoMoreThanItSays) {
  topo.source.clear();
  topo.nodes = {entry("", 1, {{0, 3}})};
  start();
  connects(0, node("alpha", 1, {0, 7}));
  EXPECT_EQ(members(), "alpha 0-3");
}

// ---- names and incarnations
// ----------------------------------------------------------------------

TEST_F(Supervisor, ARestartedNodeAppearsOnceWithItsNewIncarnation) {
  topo.find.join = topology::shard_url{"127.0.0.1", 1, false};
  start();
  joins(node("alpha", 1), "10.0.0.7:40001");
  EXPECT_EQ(members(), "alpha 0-7");
  // It lost its power; its old connection has not ended yet when it announces itself again.
  links[0].shard.ignore_admin();
  const auto answer = announce(serving(node("alpha", 2)));
  EXPECT_TRUE(answer->pending());
  EXPECT_EQ(members(), "alpha 0-7");
  advance(1s);
  ASSERT_TRUE(answer->value);
  EXPECT_EQ((*answer->value)->verdict, schema::verdict::serve);
  joins(node("alpha", 2), "10.0.0.7:40002");
  ASSERT_EQ(view->members.size(), 1u);
  EXPECT_EQ(view->members[0].description->incarnation, 2u);
  EXPECT_EQ(view->members[0].address, "10.0.0.7:40002");
  lose(0); // the old connection's end changes nothing
  ASSERT_EQ(view->members.size(), 1u);
  EXPECT_EQ(view->members[0].description->incarnation, 2u);
}

TEST_F(Supervisor, ADialledNodeThatRestartedIsDialledAgainAndAppearsOnce) {
  topo.nodes = {entry("alpha", 1)};
  start();
  connects(0, node("alpha", 1));
  lose(0);
  EXPECT_EQ(members(), "");
  EXPECT_NE(why_missing().find("node alpha (10.0.0.1:1)"), std::string::npos) << why_missing();
  advance(100ms);
  ASSERT_EQ(dials.size(), 2u);
  connects(1, node("alpha", 2));
  ASSERT_EQ(view->members.size(), 1u);
  EXPECT_EQ(view->members[0].description->incarnation, 2u);
  EXPECT_EQ(why_missing(), "");
}

TEST_F(Supervisor, TheSameNodeByTwoAddressesIsOneMember) {
  topo.find.dns = {{"nodes", 9470, false}};
  start();
  found("nodes:9470", {{"10.0.0.1", 9470, false}, {"fd00::1", 9470, false}});
  ASSERT_EQ(dials.size(), 2u);
  connects(0, node("alpha", 1));
  connects(1, node("alpha", 1));
  EXPECT_EQ(members(), "alpha 0-7");
  EXPECT_EQ(links.size(), 1u);
  EXPECT_TRUE(last->targets[0].connected && last->targets[1].connected);
  lose(0); // both ways are tried again
  advance(100ms);
  EXPECT_EQ(dials.size(), 4u);
}

TEST_F(Supervisor, TwoNodesOfOneNameAreAnErrorThatNamesBoth) {
  topo.nodes = {entry("", 1), entry("", 2)};
  start();
  connects(0, node("alpha", 1));
  connects(1, node("alpha", 2));
  EXPECT_EQ(members(), "alpha 0-7");
  EXPECT_EQ(view->members[0].description->incarnation, 1u);
  EXPECT_NE(
      why_missing().find("10.0.0.1:2: another node calls itself alpha, connected at 10.0.0.1:1"),
      std::string::npos)
      << why_missing();
  EXPECT_TRUE(last->targets[1].refused);
}

TEST_F(Supervisor, AGhostThatWasReplacedDoesNotComeBack) {
  topo.nodes = {entry("", 1)};
  start();
  connects(0, node("alpha", 1));
  lose(0);
  advance(100ms);
  connects(1, node("beta", 2)); // another node has the address now
  EXPECT_EQ(members(), "beta 0-7");
  EXPECT_EQ(why_missing(), "");
  EXPECT_EQ(last->targets[0].name, "beta");
}

// ---- states
// --------------------------------------------------------------------------------------

TEST_F(Supervisor, ADrainingNodeIsShownAndNotUsed) {
  topo.nodes = {entry("alpha", 1)};
  start();
  connects(0, node("alpha", 1));
  notice(1, schema::node_state::draining);
  EXPECT_EQ(members(), "alpha 0-7 (draining)");
  notice(1, schema::node_state::serving);
  EXPECT_EQ(members(), "alpha 0-7");
}

TEST_F(Supervisor, ANodeThatIsStillLoadingIsNotUsedUntilItSaysSo) {
  topo.nodes = {entry("alpha", 1)};
  start();
  auto d = node("alpha", 1);
  d.state = schema::node_state::loading;
  connects(0, d);
  EXPECT_EQ(members(), "alpha 0-7 (loading)");
  notice(1, schema::node_state::serving);
  EXPECT_EQ(members(), "alpha 0-7");
}

TEST_F(Supervisor, WhatANodeReachesIsInTheViewAndIsNoPartOfWhatItOwns) {
  topo.nodes = {entry("alpha", 1)};
  start();
  auto d = node("alpha", 1, {0, 3});
  d.reached = {0, {{7, {{0, 2}, {4, 7}}}}};
  connects(0, d);
  ASSERT_EQ(members(), "alpha 0-3");
  EXPECT_EQ(view->members[0].description->reached, d.reached);
  const auto told = [&](std::uint64_t who, schema::reach what) {
    caf::anon_send(supervisor, reach_atom::value, who,
                   reach_ptr{std::make_shared<schema::reach>(std::move(what))});
    settle();
  };
  const auto before = view;
  told(4711, {8, {}}); // gone
  told(1, d.reached);  // as it is known
  EXPECT_EQ(view, before);
  told(1, {32, d.reached.parts});
  EXPECT_EQ(view->members[0].description->reached.credits, 32u);
  told(1, {});
  EXPECT_TRUE(view->members[0].description->reached.parts.empty());
  EXPECT_EQ(members(), "alpha 0-3");
}

TEST_F(Supervisor, ANoticeOfANodeThatIsGoneIsHarmless) {
  topo.nodes = {entry("alpha", 1)};
  start();
  connects(0, node("alpha", 1));
  notice(4711, schema::node_state::draining);
  EXPECT_EQ(members(), "alpha 0-7");
}

TEST_F(Supervisor, StatusSaysWhereEveryTargetStands) {
  topo.nodes = {entry("alpha", 1), entry("beta", 2)};
  start();
  connects(0, node("alpha", 1));
  fails(1, refused());
  const auto answer = ask<cluster_status_ptr>(supervisor, status_atom::value);
  ASSERT_TRUE(answer->value);
  const auto& s = **answer->value;
  ASSERT_EQ(s.targets.size(), 2u);
  EXPECT_EQ(s.targets[0].name, "alpha");
  EXPECT_TRUE(s.targets[0].connected);
  EXPECT_FALSE(s.targets[1].connected);
  EXPECT_EQ(s.targets[1].last_code, errc::unavailable);
  EXPECT_EQ(s.view->members.size(), 1u);
}

TEST_F(Supervisor, ItsEndEndsEveryConnection) {
  topo.nodes = {entry("alpha", 1)};
  start();
  connects(0, node("alpha", 1));
  const auto shard = links[0].shard.actor();
  caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
  settle();
  const auto answer = ask<shard_status>(shard, status_atom::value);
  EXPECT_TRUE(answer->error); // it has ended
}

} // namespace
} // namespace larql::actors
