// Mirrors actors/laptop/remote_experts.hpp: a session over nodes gives the bits of a session on
// this machine, and survives what nodes do to it.

#include "actors/laptop/remote_experts.hpp"
#include "actors/net/model_match.hpp"

#include "actors/laptop/cluster.hpp"
#include "tests/actors/node/live_node.hpp"
#include "tests/support/fake_node.hpp"
#include "tests/support/run_model.hpp"

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::fake_node;
using test::live_node;
using test::raw_peer;

class RemoteExperts : public testing::Test {
protected:
  void SetUp() override {
    auto opened = test::running_model::open(model.path());
    ASSERT_TRUE(test::succeeds(opened));
    laptop = *std::move(opened);
  }

  struct owner {
    std::uint16_t port;
    experts::index_range experts;
  };
  /// A port over these nodes.
  std::unique_ptr<remote_experts> connect(const std::vector<owner>& owners,
                                          std::chrono::milliseconds deadline = 10s) {
    auto shards = std::vector<topology::shard_entry>{};
    for (const auto& o : owners)
      shards.push_back({o.experts, {"127.0.0.1", o.port, false}});
    auto c = topology::cluster_of(shards);
    c.limits.call_floor = std::min(c.limits.call_floor, deadline);
    c.limits.call_ceiling = deadline;
    c.limits.failover = 0ms; // these tests are about errors
    const auto weights = vindex::name_weights(model.path(), model.config());
    auto connected =
        cluster::connect(sys, {std::move(c), identity_of(model.config(), *weights), "test"});
    if (!connected) {
      ADD_FAILURE() << connected.error().text;
      return nullptr;
    }
    nodes = *std::move(connected);
    return std::make_unique<remote_experts>(sys, nodes->router(), laptop->compute(),
                                            nodes->formats(), nodes->limits());
  }

  std::vector<float> logits_over(experts::expert_port& port) {
    auto out = std::vector<float>{};
    const auto session = laptop->new_session(port);
    EXPECT_TRUE(test::succeeds(session->append(
        ids, [&](std::span<const float> row) { out.insert(out.end(), row.begin(), row.end()); })));
    return out;
  }

  test::tiny_vindex model{test::mixed_options()};
  std::vector<std::uint32_t> ids = test::random_ids(24, model.config().vocab);
  std::unique_ptr<test::running_model> laptop;
  system_config config;
  caf::actor_system sys{config};
  std::unique_ptr<cluster> nodes;
};

TEST_F(RemoteExperts, GiveTheBitsOfLocalExperts) {
  const auto expected = logits_over(laptop->port());
  const auto layers = experts::index_range{0, model.config().layers - 1};
  for (const auto& split : std::vector<std::vector<experts::index_range>>{
           {{0, 7}}, {{0, 3}, {4, 7}}, {{0, 0}, {1, 1}, {2, 6}, {7, 7}}}) {
    auto running = std::vector<std::unique_ptr<live_node>>{};
    auto owners = std::vector<owner>{};
    for (const auto& range : split) {
      running.push_back(std::make_unique<live_node>(model, experts::ownership{layers, range},
                                                    fmt::format("node-{}", running.size())));
      owners.push_back({running.back()->port(), range});
    }
    const auto port = connect(owners);
    ASSERT_TRUE(port);
    EXPECT_EQ(logits_over(*port), expected) << split.size() << " nodes";
    EXPECT_EQ(port->stats().layers, model.config().layers); // one chunk
    EXPECT_EQ(port->stats().times.added(), model.config().layers);
    nodes.reset();
  }
}

TEST_F(RemoteExperts, ALostNodeLeavesTheSessionAsItWas) {
  const auto layers = experts::index_range{0, model.config().layers - 1};
  const auto a = live_node{model, {layers, {0, 3}}, "alpha"};
  auto b = std::make_unique<live_node>(model, experts::ownership{layers, {4, 7}}, "beta");
  const auto port = connect({{a.port(), {0, 3}}, {b->port(), {4, 7}}});
  ASSERT_TRUE(port);
  const auto session = laptop->new_session(*port);
  ASSERT_TRUE(test::succeeds(session->append(std::span{ids}.first(10))));
  b.reset();
  const auto failed = session->append(std::span{ids}.subspan(10));
  EXPECT_TRUE(test::fails(failed, errc::unavailable, {"node beta", "experts 4-7"}));
  EXPECT_EQ(session->tokens().size(), 10u);
  // And again: a node that is gone fails at once, not at a deadline.
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(session->append(std::span{ids}.subspan(10)));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(RemoteExperts, AFailedCallLeavesThePortReadyForTheNext) {
  // A node that refuses its third call and serves all others.
  const auto layers = experts::index_range{0, model.config().layers - 1};
  const auto bank = experts::expert_bank::open(model.path(), model.config(), {layers, {0, 7}});
  ASSERT_TRUE(test::succeeds(bank));
  auto pool = compute_pool{1};
  auto service =
      expert_service{{laptop->compute().k, pool},
                     *bank,
                     describe(model.config(), *bank,
                              *vindex::name_weights(model.path(), model.config()), "moody", 1)};
  const auto node = fake_node{[&](raw_peer& peer) {
    peer.welcome(service.self());
    for (auto n = 0;; ++n) {
      const auto call = peer.read_payload();
      if (!call)
        return;
      const auto m = schema::decode(*call);
      if (n == 2)
        peer.send(schema::call_failed{std::get<schema::expert_call>(*m).id, 1,
                                      schema::failure_code::internal, "not today"});
      else
        peer.send(service.run(*call, std::chrono::steady_clock::now()).frame);
    }
  }};
  const auto port = connect({{node.port(), {0, 7}}});
  ASSERT_TRUE(port);
  const auto session = laptop->new_session(*port);
  EXPECT_TRUE(
      test::fails(session->append(ids), errc::unavailable, {"layer 2", "node moody", "not today"}));
  EXPECT_EQ(session->tokens().size(), 0u);
  EXPECT_EQ(logits_over(*port), logits_over(laptop->port()));
  port.get();
  nodes.reset(); // ends the fake node's loop
}

TEST_F(RemoteExperts, ASilentNodeEndsTheWaitAtTheDeadline) {
  auto d = schema::node_description{};
  {
    const auto honest = live_node{model, {{0, model.config().layers - 1}, {0, 7}}, "mute"};
    d = honest.description();
  }
  const auto node = fake_node{[&](raw_peer& peer) { peer.welcome(d); }};
  const auto port = connect({{node.port(), {0, 7}}}, 100ms);
  ASSERT_TRUE(port);
  const auto session = laptop->new_session(*port);
  EXPECT_TRUE(test::fails(session->append(ids), errc::deadline,
                          {"layer 0", "node mute: no answer within 100 ms"}));
}

TEST_F(RemoteExperts, SessionsOfOneProcessShareANode) {
  const auto expected = logits_over(laptop->port());
  const auto node = live_node{model, {{0, model.config().layers - 1}, {0, 7}}, "alpha"};
  const auto first = connect({{node.port(), {0, 7}}});
  ASSERT_TRUE(first);
  // Both ports hand their jobs to the same router.
  auto second =
      remote_experts{sys, nodes->router(), laptop->compute(), nodes->formats(), nodes->limits()};
  auto other_laptop = test::running_model::open(model.path());
  ASSERT_TRUE(test::succeeds(other_laptop));
  auto got = std::vector<float>{};
  auto other = std::thread{[&] {
    const auto session = (*other_laptop)->new_session(second);
    for (const auto id : ids)
      (void) session->append({&id, 1}, [&](std::span<const float> row) {
        got.insert(got.end(), row.begin(), row.end());
      });
  }};
  for (auto i = 0; i < 3; ++i)
    EXPECT_EQ(logits_over(*first), expected);
  other.join();
  EXPECT_EQ(got, expected);
}

} // namespace
} // namespace larql::actors
