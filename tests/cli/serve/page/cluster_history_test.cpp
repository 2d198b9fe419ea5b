// Mirrors cli/serve/page/cluster_history.hpp.

#include "cli/serve/page/cluster_history.hpp"

#include <gtest/gtest.h>

namespace larql::serve {
namespace {

using namespace std::chrono_literals;
using kind = cluster_event::kind;

class ClusterHistory : public testing::Test {
protected:
  static picture_node node(std::string name, std::uint32_t first, std::uint32_t last,
                           std::string state = "serving", std::string why = "") {
    return {name, name + ":9470", std::move(state), std::move(why), {{0, 1}, {first, last}}};
  }
  void look(std::vector<picture_node> nodes) { history.look(std::move(nodes), now += 1s); }
  [[nodiscard]] std::string states() const {
    auto out = std::string{};
    for (const auto& n : history.nodes())
      out += (n.name.empty() ? n.address : n.name) + " " + n.state + ", ";
    return out;
  }

  cluster_event::time now{1000s};
  cluster_history history;
};

TEST_F(ClusterHistory, TheFirstLookMakesNoEvents) {
  look({node("a", 0, 3), node("b", 4, 7, "lost", "refused")});
  EXPECT_TRUE(history.events().empty());
  EXPECT_EQ(states(), "a serving, b lost, ");
}

TEST_F(ClusterHistory, ALostNodeIsToldWithWhatTookOver) {
  look({node("a", 0, 5), node("b", 4, 7), node("c", 6, 6)});
  look({node("a", 0, 5), node("b", 4, 7, "lost", "connection closed"), node("c", 6, 6)});
  ASSERT_EQ(history.events().size(), 1u);
  const auto& e = history.events()[0];
  EXPECT_EQ(e.what, kind::lost);
  EXPECT_EQ(e.node, "b");
  EXPECT_EQ(e.why, "connection closed");
  EXPECT_EQ(e.at, now);
  ASSERT_EQ(e.took_over.size(), 2u);
  EXPECT_EQ(e.took_over[0].node, "a");
  EXPECT_EQ(e.took_over[0].part, (experts::ownership{{0, 1}, {4, 5}}));
  EXPECT_EQ(e.took_over[1].node, "c");
  EXPECT_EQ(e.took_over[1].part, (experts::ownership{{0, 1}, {6, 6}}));
  EXPECT_EQ(e.without_owner, 2u); // expert 7 of two layers
  look({node("a", 0, 5), node("b", 4, 7, "lost", "no answer"), node("c", 6, 6)});
  EXPECT_EQ(history.events().size(), 1u);
}

TEST_F(ClusterHistory, NodesThatDoNotServeTakeNothingOver) {
  look({node("a", 0, 7, "loading"), node("b", 0, 7)});
  look({node("a", 0, 7, "loading"), node("b", 0, 7, "lost", "x")});
  EXPECT_TRUE(history.events()[0].took_over.empty());
  EXPECT_EQ(history.events()[0].without_owner, 16u);
}

// What a node that is away owns is only what it is expected to own.
TEST_F(ClusterHistory, WhatALostNodeOwnedIsWhatItHadWhenItWasThere) {
  look({node("a", 0, 3)});
  look({node("a", 0, 7, "lost", "x")});
  EXPECT_EQ(history.events()[0].owned.experts, (experts::index_range{0, 3}));
}

TEST_F(ClusterHistory, ANodeThatComesOrChangesItsStateIsTold) {
  look({node("a", 0, 3)});
  look({node("a", 0, 3), node("b", 4, 7, "loading")});
  look({node("a", 0, 3), node("b", 4, 7)});
  look({node("a", 0, 3, "draining"), node("b", 4, 7)});
  ASSERT_EQ(history.events().size(), 3u);
  EXPECT_EQ(history.events()[0].what, kind::joined);
  EXPECT_EQ(history.events()[1].what, kind::changed);
  EXPECT_EQ(history.events()[1].why, "serving");
  EXPECT_EQ(history.events()[2].why, "draining");
  for (auto i = 0u; i < 3; ++i)
    EXPECT_EQ(history.events()[i].number, i + 1);
}

TEST_F(ClusterHistory, ANodeThatGoesWithoutATraceIsShownForAWhile) {
  look({node("a", 0, 3), node("b", 4, 7)});
  look({node("a", 0, 3)});
  ASSERT_EQ(history.events().size(), 1u);
  EXPECT_EQ(history.events()[0].what, kind::lost);
  EXPECT_EQ(states(), "a serving, b lost, ");
  look({node("a", 0, 3)});
  EXPECT_EQ(history.events().size(), 1u);
  look({node("a", 0, 3), node("b", 4, 7)});
  EXPECT_EQ(history.events().size(), 2u);
  EXPECT_EQ(states(), "a serving, b serving, ");
  look({node("a", 0, 3)});
  now += 11min;
  look({node("a", 0, 3)});
  EXPECT_EQ(states(), "a serving, ");
}

// A node that was known by its address alone has a name once it is there.
TEST_F(ClusterHistory, WhatWasOnlyExpectedIsForgottenAtOnce) {
  auto unnamed = node("", 0, 3, "lost", "no answer");
  unnamed.address = "b:9470";
  look({node("a", 0, 3), unnamed});
  look({node("a", 0, 3), node("b", 4, 7)});
  EXPECT_EQ(states(), "a serving, b serving, ");
  ASSERT_EQ(history.events().size(), 1u);
  EXPECT_EQ(history.events()[0].what, kind::joined);
}

TEST_F(ClusterHistory, OnlyTheLastEventsAreKept) {
  for (auto i = 0; i < 100; ++i)
    look({node("a", 0, 3, i % 2 == 0 ? "serving" : "draining")});
  EXPECT_EQ(history.events().size(), 50u);
  EXPECT_EQ(history.events().back().number, 99u);
}

} // namespace
} // namespace larql::serve
