// Mirrors actors/policy/replica_choice.hpp.

#include "actors/policy/replica_choice.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace larql::actors {
namespace {

node_offer owner_of(experts::index_range e, float overhead = 300, float unit = 50) {
  return {{{0, 9}, e}, 0, overhead, unit, false};
}
using choice = std::vector<int>;

choice choose_nodes(std::uint32_t layer, std::span<const expert_demand> demands,
                    std::span<const node_offer> nodes) {
  auto chooser = node_choice{};
  (void) chooser.choose(3, std::vector<expert_demand>(7), std::vector<node_offer>(5)); // before
  const auto chosen = chooser.choose(layer, demands, nodes);
  return {chosen.begin(), chosen.end()};
}

TEST(ReplicaChoice, AnExpertGoesToItsOnlyOwner) {
  const auto nodes = std::vector{owner_of({0, 3}), owner_of({4, 7})};
  const auto demands = std::vector<expert_demand>{{1, 1}, {5, 1}, {7, 2}};
  EXPECT_EQ(choose_nodes(0, demands, nodes), (choice{0, 1, 1}));
}

TEST(ReplicaChoice, AnExpertThatNobodyOwnsGoesNowhere) {
  const auto nodes = std::vector{owner_of({0, 3})};
  EXPECT_EQ(choose_nodes(0, std::vector<expert_demand>{{4, 1}, {2, 1}}, nodes), (choice{-1, 0}));
  EXPECT_EQ(choose_nodes(0, std::vector<expert_demand>{{4, 1}}, {}), (choice{-1}));
  EXPECT_EQ(choose_nodes(0, {}, nodes), choice{});
}

TEST(ReplicaChoice, OwnershipIsOfLayersToo) {
  auto nodes = std::vector{owner_of({0, 7}), owner_of({0, 7})};
  nodes[0].owned.layers = {0, 4};
  nodes[1].owned.layers = {5, 9};
  const auto demands = std::vector<expert_demand>{{3, 1}};
  EXPECT_EQ(choose_nodes(4, demands, nodes), (choice{0}));
  EXPECT_EQ(choose_nodes(5, demands, nodes), (choice{1}));
  EXPECT_EQ(choose_nodes(10, demands, nodes), (choice{-1}));
}

TEST(ReplicaChoice, OneNodeComputesAllWhileASecondCallWouldCostMore) {
  const auto nodes = std::vector{owner_of({0, 7}, 1000, 10), owner_of({0, 7}, 1000, 10)};
  const auto demands = std::vector<expert_demand>{{1, 1}, {2, 1}, {3, 1}};
  const auto chosen = choose_nodes(0, demands, nodes);
  // The second node would be finished first with an expert of its own, so long as overhead is
  // equal on both: they share.
  EXPECT_EQ(chosen[0], 0);
  EXPECT_EQ(chosen[1], 1);
  // With a slow second node it is not asked at all.
  const auto far = std::vector{owner_of({0, 7}, 1000, 10), owner_of({0, 7}, 5000, 10)};
  EXPECT_EQ(choose_nodes(0, demands, far), (choice{0, 0, 0}));
}

TEST(ReplicaChoice, ManyRowsAreSharedInProportionToSpeed) {
  const auto nodes = std::vector{owner_of({0, 63}, 100, 30), owner_of({0, 63}, 100, 10)};
  auto demands = std::vector<expert_demand>{};
  for (auto e = 0u; e < 64; ++e)
    demands.push_back({e, 10});
  const auto chosen = choose_nodes(0, demands, nodes);
  const auto fast = std::count(chosen.begin(), chosen.end(), 1);
  EXPECT_GE(fast, 46);
  EXPECT_LE(fast, 50);
}

TEST(ReplicaChoice, ABusyNodeGetsLess) {
  auto nodes = std::vector{owner_of({0, 7}), owner_of({0, 7})};
  nodes[0].busy_us = 100000;
  const auto demands = std::vector<expert_demand>{{1, 1}, {2, 1}, {3, 1}};
  EXPECT_EQ(choose_nodes(0, demands, nodes), (choice{1, 1, 1}));
}

TEST(ReplicaChoice, ANodeToBeAvoidedIsUsedOnlyForWhatNobodyElseHas) {
  auto nodes = std::vector{owner_of({0, 7}, 1, 1), owner_of({0, 3}, 90000, 9000)};
  nodes[0].avoid = true;
  const auto demands = std::vector<expert_demand>{{1, 1}, {5, 1}};
  EXPECT_EQ(choose_nodes(0, demands, nodes), (choice{1, 0}));
  nodes[1].avoid = true; // among those to be avoided the faster one
  EXPECT_EQ(choose_nodes(0, demands, nodes), (choice{0, 0}));
}

TEST(ReplicaChoice, TheOrderOfTheNodesDoesNotMakeAnAvoidedNodeWin) {
  auto nodes = std::vector{owner_of({0, 7}, 90000, 9000), owner_of({0, 7}, 1, 1)};
  nodes[1].avoid = true;
  EXPECT_EQ(choose_nodes(0, std::vector<expert_demand>{{1, 1}}, nodes), (choice{0}));
}

TEST(ReplicaChoice, TheSameInputGivesTheSameChoice) {
  const auto nodes = std::vector{owner_of({0, 63}), owner_of({0, 63}), owner_of({20, 40})};
  auto demands = std::vector<expert_demand>{};
  for (auto e = 0u; e < 64; ++e)
    demands.push_back({e, 1 + e % 7});
  const auto first = choose_nodes(0, demands, nodes);
  for (auto i = 0; i < 10; ++i)
    EXPECT_EQ(choose_nodes(0, demands, nodes), first);
}

TEST(ReplicaChoice, NodesOfUnknownSpeedAreAskedOnceEach) {
  const auto nodes = std::vector{owner_of({0, 7}, 0, 0), owner_of({0, 7}, 0, 0)};
  const auto chosen = choose_nodes(0, std::vector<expert_demand>{{1, 1}, {2, 1}}, nodes);
  for (const auto n : chosen)
    EXPECT_TRUE(n == 0 || n == 1);
}

} // namespace
} // namespace larql::actors
