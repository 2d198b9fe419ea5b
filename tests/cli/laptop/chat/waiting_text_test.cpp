// Mirrors cli/laptop/chat/waiting_text.hpp.

#include "cli/laptop/chat/waiting_text.hpp"

#include <gtest/gtest.h>

namespace larql::cli {
namespace {

actors::cluster_member node(const std::string& name, experts::ownership owned,
                            schema::node_state state = schema::node_state::serving) {
  auto d = std::make_shared<schema::node_description>();
  d->node = name;
  d->owned = owned;
  d->incarnation = std::hash<std::string>{}(name);
  return {d, "127.0.0.1:1", nullptr, state};
}

constexpr auto low = experts::ownership{{0, 3}, {0, 7}};
constexpr auto high = experts::ownership{{0, 3}, {8, 15}};

TEST(WaitingText, NamesTheNodeWhoseExpertsNobodyHas) {
  auto view = actors::cluster_view{};
  view.members = {node("alpha", low)};
  view.missing = {{"beta", "127.0.0.1:2", high, "gone"}};
  EXPECT_EQ(waiting_text(view, {}), "experts 8-15 of node beta");
  view.missing[0].name.clear();
  EXPECT_EQ(waiting_text(view, {}), "experts 8-15 of node 127.0.0.1:2");
}

TEST(WaitingText, ANodeThatHasAReplicaIsNotWaitedFor) {
  auto view = actors::cluster_view{};
  view.members = {node("alpha", low), node("gamma", high)};
  view.missing = {{"beta", "127.0.0.1:2", high, "gone"}};
  EXPECT_EQ(waiting_text(view, {}), "");
}

TEST(WaitingText, ANodeWhoseCallIsOverdueIsNamedUnlessAnotherHasItsExperts) {
  auto view = actors::cluster_view{};
  view.members = {node("alpha", low), node("beta", high)};
  const auto late = std::vector{view.members[1].description->incarnation};
  EXPECT_EQ(waiting_text(view, late), "experts 8-15 of node beta, which does not answer");
  view.members.push_back(node("gamma", high));
  EXPECT_EQ(waiting_text(view, late), "");
  view.members.pop_back();
  view.missing = {{"gamma", "127.0.0.1:2", high, "gone"}};
  EXPECT_EQ(waiting_text(view, late), "experts 8-15 of node gamma")
      << "a late node is no replica of one that has gone";
}

TEST(WaitingText, ANodeThatDoesNotServeNowIsNamedWithItsState) {
  auto view = actors::cluster_view{};
  view.members = {node("alpha", low), node("beta", high, schema::node_state::loading)};
  EXPECT_EQ(waiting_text(view, {}), "experts 8-15 of node beta, which is loading");
}

} // namespace
} // namespace larql::cli
