// Mirrors actors/admin/node_connections.hpp: one handshake for many looks, and a new one when it is
// needed.

#include "actors/admin/node_connections.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/fake_node.hpp"

#include <atomic>

namespace larql::actors {
namespace {

using test::fails;
using test::fake_node;
using test::raw_peer;
using test::succeeds;

time_limit soon() {
  return std::chrono::steady_clock::now() + test::test_timeout;
}

// A node that welcomes each connection and answers one look at it, or all of them.
class counted_node {
public:
  explicit counted_node(bool answers_always)
      : node_([this, answers_always](raw_peer& peer) {
          auto me = schema::node_description{};
          me.node = "alpha";
          me.model.layers = me.model.hidden = me.model.experts = me.model.expert_width = 1;
          me.formats = {quant::activation_format::f32};
          me.incarnation = ++connections_;
          if (!peer.welcome(me))
            return;
          do {
            if (!peer.read<schema::ping>() || !peer.send(schema::pong{0, connections_}))
              return;
          } while (answers_always);
          peer.close();
        }) {}

  [[nodiscard]] topology::shard_url at() const { return {"127.0.0.1", node_.port(), false}; }
  [[nodiscard]] std::uint64_t connections() const { return connections_; }

private:
  std::atomic<std::uint64_t> connections_{0};
  fake_node node_;
};

TEST(NodeConnections, OneServesManyLooks) {
  const auto node = counted_node{true};
  auto connections = node_connections{nullptr};
  for (auto i = 0; i < 3; ++i) {
    const auto look = connections.query(node.at(), 1, soon());
    ASSERT_TRUE(succeeds(look));
    EXPECT_EQ(look->round_trips_us.size(), 1u);
  }
  EXPECT_EQ(node.connections(), 1u);
}

TEST(NodeConnections, OneThatTheNodeHasClosedIsMadeAnew) {
  const auto node = counted_node{false};
  auto connections = node_connections{nullptr};
  for (auto i = 1u; i <= 3; ++i) {
    const auto look = connections.query(node.at(), 1, soon());
    ASSERT_TRUE(succeeds(look));
    EXPECT_EQ(look->description.incarnation, i); // as the node said on its newest connection
  }
}

TEST(NodeConnections, ANodeThatIsGoneIsAnErrorAndMayComeBack) {
  auto connections = node_connections{nullptr};
  auto port = std::uint16_t{0};
  {
    const auto node = counted_node{true};
    port = node.at().port;
    ASSERT_TRUE(succeeds(connections.query(node.at(), 1, soon())));
  }
  EXPECT_TRUE(fails(connections.query({"127.0.0.1", port, false}, 1, soon()), errc::unavailable,
                    {"127.0.0.1"}));
}

} // namespace
} // namespace larql::actors
