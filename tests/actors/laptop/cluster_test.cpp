// Mirrors actors/laptop/cluster.hpp: real connections on loopback, to real nodes and to impostors.

#include "actors/laptop/cluster.hpp"
#include "actors/net/model_match.hpp"

#include "actors/core/system.hpp"
#include "tests/actors/node/live_node.hpp"
#include "tests/support/fake_node.hpp"

#include <future>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::fails;
using test::fake_node;
using test::live_node;
using test::raw_peer;

class Cluster : public testing::Test {
protected:
  static topology::shard_entry entry(std::uint16_t port, experts::index_range experts) {
    return {experts, {"127.0.0.1", port, false}};
  }

  using connected = result<std::unique_ptr<cluster>>;

  connected connect(const std::vector<topology::shard_entry>& shards,
                    std::chrono::milliseconds timeout = 5s) {
    auto c = topology::cluster_of(shards);
    c.limits.connect = timeout;
    c.limits.failover = std::chrono::milliseconds{0}; // one attempt
    return connect_to_topology(std::move(c));
  }
  connected connect_to_topology(topology::cluster c) {
    const auto weights = vindex::name_weights(model.path(), model.config());
    return cluster::connect(sys, {std::move(c), identity_of(model.config(), *weights), "test"});
  }
  connected connect_to(const fake_node& node, std::chrono::milliseconds timeout = 5s) {
    return connect({entry(node.port(), {0, 7})}, timeout);
  }

  /// What an honest node that owns everything says.
  [[nodiscard]] schema::node_description honest() const {
    const auto& c = model.config();
    const auto bank = experts::expert_bank::open(model.path(), c, {{0, 2}, {0, 7}});
    return describe(c, *bank, *vindex::name_weights(model.path(), c), "mallory", 1);
  }
  static fake_node::script welcome_with(schema::node_description d) {
    return [d](raw_peer& laptop) { laptop.welcome(d); };
  }

  test::tiny_vindex model{test::all_in(quant::encoding::q8_0)};
  system_config config;
  caf::actor_system sys{config};
};

TEST_F(Cluster, ConnectsToNodesThatTogetherOwnEverything) {
  const auto a = live_node{model, {{0, 2}, {0, 4}}, "alpha"};
  const auto b = live_node{model, {{0, 2}, {5, 7}}, "beta"};
  const auto c = connect({entry(a.port(), {0, 4}), entry(b.port(), {5, 7})});
  ASSERT_TRUE(test::succeeds(c));
  EXPECT_TRUE((*c)->router()->get().first);
  for (auto layer = 0u; layer < 3; ++layer)
    EXPECT_EQ((*c)->formats()->of(layer), quant::activation_format::q8_32);
}

TEST_F(Cluster, ConnectingEndsWhenItIsStopped) {
  const auto silent = fake_node{[](raw_peer&) {}};
  auto stop = std::stop_source{};
  auto c = topology::cluster_of(std::vector<topology::shard_entry>{entry(silent.port(), {0, 7})});
  c.limits.connect = std::chrono::minutes{10};
  auto stopper = std::jthread{[&] { stop.request_stop(); }};
  EXPECT_TRUE(fails(cluster::connect(sys, {std::move(c), honest().model, "test", stop.get_token()}),
                    errc::cancelled, {"stopped while connecting"}));
}

TEST_F(Cluster, RefusesNodesThatHoldAnotherModel) {
  using d = schema::node_description;
  const auto refuses = [&](auto change, const char* part) {
    auto description = honest();
    change(description);
    const auto node = fake_node{welcome_with(description)};
    EXPECT_TRUE(fails(connect_to(node), errc::mismatch,
                      {fmt::format("caf://127.0.0.1:{}", node.port()), "node mallory", part}));
  };
  refuses([](d& x) { x.model.layers = 4; }, "layers 3 on the laptop");
  refuses([](d& x) { x.model.hidden = 2816; }, "2816 on the node");
  refuses([](d& x) { x.model.experts = 9; }, "experts 8 on the laptop");
  refuses([](d& x) { x.model.expert_width = 97; }, "expert width 96 on the laptop");
  refuses([](d& x) { x.model.weights[31] ^= std::byte{1}; }, "other fingerprints");
  refuses([](d& x) { x.model.weights_digest->front() ^= std::byte{1}; }, "weights digest");
}

TEST_F(Cluster, TakesANodeThatDoesNotKnowItsWeightsDigest) {
  auto d = honest();
  d.model.weights_digest.reset();
  const auto node = fake_node{welcome_with(d)};
  EXPECT_TRUE(test::succeeds(connect_to(node)));
}

TEST_F(Cluster, RefusesNodesThatOwnLessThanTheMapSays) {
  auto d = honest();
  d.owned.experts = {0, 6};
  const auto node = fake_node{welcome_with(d)};
  EXPECT_TRUE(fails(connect_to(node), errc::mismatch,
                    {"node mallory owns experts 0-6, the shard map says 0-7"}));
  d.owned.experts = {1, 7};
  const auto other = fake_node{welcome_with(d)};
  EXPECT_TRUE(fails(connect_to(other), errc::mismatch, {"owns experts 1-7"}));
}

TEST_F(Cluster, RefusesAnotherProtocolVersion) {
  auto d = honest();
  d.protocol = 2;
  const auto node = fake_node{welcome_with(d)};
  EXPECT_TRUE(fails(connect_to(node), errc::mismatch, {"protocol version 2, expected 1"}));
}

TEST_F(Cluster, SaysWhyANodeRefused) {
  const auto node = fake_node{[](raw_peer& laptop) {
    (void) laptop.read_payload();
    laptop.send(schema::refused{"we are closed"});
  }};
  EXPECT_TRUE(fails(connect_to(node), errc::mismatch,
                    {fmt::format("127.0.0.1:{}", node.port()), "we are closed"}));
}

TEST_F(Cluster, RefusesMapsWithGapsBeforeConnecting) {
  EXPECT_TRUE(fails(connect({entry(1, {0, 2}), entry(1, {5, 7})}), errc::usage,
                    {"no shard has experts 3-4"}));
  EXPECT_TRUE(fails(connect({entry(1, {1, 7})}), errc::usage, {"no shard has expert 0"}));
  EXPECT_TRUE(fails(connect({}), errc::usage, {"no shard has experts 0-7"}));
  EXPECT_TRUE(fails(connect({entry(1, {0, 8})}), errc::usage, {"the model has experts 0-7"}));
}

TEST_F(Cluster, RefusesOverlaps) {
  const auto a = live_node{model, {{0, 2}, {0, 7}}, "alpha"};
  const auto b = live_node{model, {{0, 2}, {0, 7}}, "beta"};
  EXPECT_TRUE(fails(connect({entry(a.port(), {0, 4}), entry(b.port(), {4, 7})}), errc::usage,
                    {"layer 0: expert 4 is", "node alpha", "node beta"}));
}

TEST_F(Cluster, RefusesGapsBetweenLayers) {
  const auto a = live_node{model, {{0, 0}, {0, 7}}, "alpha"};
  const auto b = live_node{model, {{2, 2}, {0, 7}}, "beta"};
  EXPECT_TRUE(fails(connect({entry(a.port(), {0, 7}), entry(b.port(), {0, 7})}), errc::usage,
                    {"layer 1: no shard has experts 0-7"}));
}

TEST_F(Cluster, ADeadAddressIsAnErrorThatNamesIt) {
  auto closed = listen_on({"127.0.0.1", 0});
  ASSERT_TRUE(closed);
  const auto port = local_port(*closed);
  closed->close();
  EXPECT_TRUE(fails(connect({entry(port, {0, 7})}), errc::unavailable,
                    {fmt::format("127.0.0.1:{}", port), "refused"}));
}

TEST_F(Cluster, ASilentServerIsAnErrorAtTheDeadline) {
  const auto node = fake_node{[](raw_peer&) {}};
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(fails(connect_to(node, 100ms), errc::deadline,
                    {fmt::format("127.0.0.1:{}", node.port()), "no answer in time"}));
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, 90ms); // not for another reason
  EXPECT_LT(took, 5s);
}

TEST_F(Cluster, AServerThatDribblesIsAnErrorAtTheDeadline) {
  const auto welcome = test::frame_of(honest());
  const auto node = fake_node{[&](raw_peer& laptop) {
    for (auto i = std::size_t{0}; i + 1 < welcome.size(); ++i)
      laptop.send(std::span{welcome}.subspan(i, 1));
  }};
  EXPECT_TRUE(fails(connect_to(node, 100ms), errc::deadline, {"no answer in time"}));
}

TEST_F(Cluster, GarbageIsAnErrorThatNamesTheServer) {
  const auto refuses = [&](const std::vector<char>& bytes, std::string_view part) {
    const auto node = fake_node{[&](raw_peer& laptop) {
      laptop.send(bytes);
      laptop.end_sending();
    }};
    const auto c = connect_to(node);
    ASSERT_FALSE(c);
    EXPECT_NE(c.error().text.find(fmt::format("127.0.0.1:{}", node.port())), std::string::npos);
    EXPECT_NE(c.error().text.find(part), std::string::npos) << c.error().text;
  };
  const auto http = std::string_view{"HTTP/1.1 400 Bad Request\r\n\r\n"};
  refuses({http.begin(), http.end()}, "the answer is HTTP");
  refuses({}, "closed the connection");
  refuses(test::frame_header(~0u), "length is 4294967295");
  refuses(test::frame_header(schema::max_hello_bytes * 16 + 8), "expected 1 to 65536");
  refuses(test::frame_header(1024), "closed the connection");
  refuses(test::frame_of(schema::pong{}), "answered hello with another message");
  auto damaged = test::frame_of(honest());
  std::fill(damaged.begin() + schema::frame_header_bytes, damaged.end(), '\xff');
  refuses(damaged, "message: payload is not valid");
}

TEST_F(Cluster, GivesUpItsConnectionsWhenALaterNodeFails) {
  auto closed = std::promise<bool>{};
  auto d = honest();
  d.owned.experts = {0, 3};
  const auto first = fake_node{[&](raw_peer& laptop) {
    laptop.welcome(d);
    closed.set_value(laptop.is_closed_by_peer());
  }};
  const auto second = fake_node{[](raw_peer& laptop) { laptop.close(); }};
  EXPECT_FALSE(connect({entry(first.port(), {0, 3}), entry(second.port(), {4, 7})}));
  EXPECT_TRUE(closed.get_future().get());
}

TEST_F(Cluster, GivesUpItsConnectionsWhenItGoes) {
  auto closed = std::promise<bool>{};
  const auto node = fake_node{[&](raw_peer& laptop) {
    laptop.welcome(honest());
    closed.set_value(laptop.is_closed_by_peer());
  }};
  {
    const auto c = connect_to(node);
    ASSERT_TRUE(test::succeeds(c));
  }
  EXPECT_TRUE(closed.get_future().get());
}

TEST_F(Cluster, RefusesEncryptedAddressesWithoutCertificates) {
  EXPECT_TRUE(fails(connect({{{0, 7}, {"127.0.0.1", 1, true}}}), errc::usage,
                    {"tls://127.0.0.1:1", "needs certificates or a cluster secret"}));
}

} // namespace
} // namespace larql::actors
