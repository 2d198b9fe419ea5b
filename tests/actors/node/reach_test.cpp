// Mirrors actors/node/reach.hpp: a relay and the nodes that it reaches, over loopback, and a laptop
// that asks it.

#include "actors/node/reach.hpp"

#include "actors/laptop/cluster.hpp"
#include "actors/laptop/remote_experts.hpp"
#include "tests/actors/node/live_node.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/run_model.hpp"

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using test::live_node;

class Reach : public testing::Test {
protected:
  static topology::cluster
  cluster_of(const std::vector<std::pair<std::string, std::uint16_t>>& nodes) {
    auto c = topology::cluster{};
    c.source = "near.toml";
    for (const auto& [name, port] : nodes) {
      auto n = topology::node_entry{};
      n.name = name;
      n.address = {"127.0.0.1", port, false};
      c.nodes.push_back(std::move(n));
    }
    c.limits.heartbeat = 20ms;
    c.limits.reconnect_first = 10ms;
    c.limits.reconnect_max = 50ms;
    return c;
  }
  /// A node with experts 0-3 that reaches these.
  std::unique_ptr<live_node>
  relay_to(const std::vector<std::pair<std::string, std::uint16_t>>& nodes) {
    return std::make_unique<live_node>(model, experts::ownership{{0, 2}, {0, 3}}, "near", nullptr,
                                       reading_watch::default_limit, cluster_of(nodes));
  }

  test::tiny_vindex model{test::mixed_options()};
};

TEST_F(Reach, ALaptopGetsTheSumsOfAllNodesFromTheRelay) {
  auto far = live_node{model, {{0, 2}, {4, 7}}, "far"};
  const auto near = relay_to({{"near", 1}, {"far", far.port()}}); // itself is left out
  ASSERT_TRUE(eventually([&] { return near->server().counters().reached_nodes == 1; }));

  auto opened = test::running_model::open(model.path());
  ASSERT_TRUE(test::succeeds(opened));
  const auto laptop = *std::move(opened);
  auto c = cluster_of({{"near", near->port()}, {"far", far.port()}});
  c.relays = topology::relay_use::always;
  auto config = system_config{};
  auto sys = caf::actor_system{config};
  const auto weights = vindex::name_weights(model.path(), model.config());
  auto nodes = cluster::connect(sys, {std::move(c), identity_of(model.config(), *weights), "test"});
  ASSERT_TRUE(test::succeeds(nodes));
  ASSERT_TRUE(eventually([&] { // the pong says how many calls it takes
    for (const auto& m : (*nodes)->status()->view->members)
      if (m.description->reached.credits != 0)
        return true;
    return false;
  }));
  auto port = remote_experts{sys, (*nodes)->router(), (*nodes)->formats(), laptop->compute(),
                             (*nodes)->limits()};
  const auto ids = test::random_ids(24, model.config().vocab);
  const auto logits_over = [&](experts::expert_port& experts) {
    const auto run = laptop->new_executor(experts);
    const auto sequence = laptop->new_sequence();
    EXPECT_TRUE(test::succeeds(run->append(*sequence, ids)));
    const auto row = run->last_logits(*sequence);
    return std::vector<float>{row->begin(), row->end()};
  };
  const auto got = logits_over(port);
  EXPECT_EQ(got, logits_over(laptop->port()));
  const auto& near_did = near->server().counters();
  EXPECT_GT(near_did.relayed_calls, 0u);
  EXPECT_EQ(near_did.forwarded_calls, near_did.relayed_calls);
  EXPECT_GT(near_did.rows, 0u);
  EXPECT_EQ(near_did.forward_failures, 0u);
}

TEST_F(Reach, AnOwnerWithAnotherModelIsNotReached) {
  const auto other = test::tiny_vindex{test::all_in(quant::encoding::q8_0)};
  auto far = live_node{other, {{0, 2}, {4, 7}}, "far"};
  auto good = live_node{model, {{0, 2}, {4, 7}}, "good"};
  const auto near = relay_to({{"far", far.port()}, {"good", good.port()}});
  ASSERT_TRUE(eventually([&] { return near->server().counters().reached_nodes == 1; }));
  EXPECT_EQ(far.server().counters().served, 0u);
}

TEST_F(Reach, AnOwnerThatGoesIsNotReachedAnyMore) {
  auto far = std::make_unique<live_node>(model, experts::ownership{{0, 2}, {4, 7}}, "far");
  const auto near = relay_to({{"far", far->port()}});
  ASSERT_TRUE(eventually([&] { return near->server().counters().reached_nodes == 1; }));
  far.reset();
  EXPECT_TRUE(eventually([&] { return near->server().counters().reached_nodes == 0; }));
}

} // namespace
} // namespace larql::actors
