// Mirrors actors/node/node_server.hpp: a live node whose peers want much of it at once, and one
// whose shard fails.

#include "tests/actors/node/live_node.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/raw_peer.hpp"

#include <latch>
#include <memory>

namespace larql::actors {
namespace {

using test::raw_peer;

class NodeServer : public testing::Test {
protected:
  /// A peer that may call.
  raw_peer connect() {
    auto peer = raw_peer{node->port()};
    EXPECT_TRUE(peer.greet(node->description().model));
    return peer;
  }
  /// A call of so many bytes. What it says is refused when its turn comes.
  static schema::expert_call call_of(std::span<const std::byte> bytes) {
    auto out = schema::expert_call{};
    out.id = 1;
    out.activations = bytes;
    return out;
  }

  test::tiny_vindex model{test::all_in(quant::encoding::q8_0)};
  std::unique_ptr<test::live_node> node = std::make_unique<test::live_node>(
      model, experts::ownership{{0, model.config().layers - 1}, {0, model.config().experts - 1}},
      "alpha");
  std::chrono::steady_clock::duration fastest = std::chrono::hours{1}; // answer to a ping
};

TEST_F(NodeServer, APeerThatReadsNothingIsDroppedWhenItsTimeIsOver) {
  node = std::make_unique<test::live_node>(
      model, experts::ownership{{0, model.config().layers - 1}, {0, model.config().experts - 1}},
      "alpha", nullptr, std::chrono::milliseconds{300});
  const auto peer = connect();
  ASSERT_TRUE(test::eventually([&] { return node->server().counters().connections == 1; }));
  auto pings = std::vector<char>{};
  for (auto i = std::uint64_t{0}; i < 20'000; ++i)
    schema::encode(schema::ping{i}, pings);
  while (node->server().counters().buffers->used() == 0) // until the sockets are full
    ASSERT_TRUE(peer.send(pings));
  EXPECT_TRUE(test::eventually([&] { return node->server().counters().connections == 0; }));
  EXPECT_EQ(node->server().counters().buffers->used(), 0u);
}

TEST_F(NodeServer, AnswersPingsWhileItComputesAPromptAndAShortCallOfAnotherLaptopWaits) {
  auto begun = std::latch{1}, end = std::latch{1};
  auto first = std::atomic<bool>{true};
  auto release = std::shared_ptr<void>{nullptr, [&](void*) { end.count_down(); }};
  node->before_call = [&] { // every call is a loop of the pool; that of the prompt takes long
    node->pool().parallel_for(1, 1, [&](std::size_t, std::size_t, unsigned) {
      if (!first.exchange(false))
        return;
      begun.count_down();
      end.wait();
    });
  };
  auto prompt = connect();
  auto other = connect();
  const auto rows = std::vector<std::byte>(100'000);
  ASSERT_TRUE(prompt.send(call_of(rows)));
  begun.wait();
  ASSERT_TRUE(other.send(call_of({})));
  for (auto nonce = std::uint64_t{1}; nonce <= 10; ++nonce) {
    const auto sent = std::chrono::steady_clock::now();
    ASSERT_TRUE(other.send(schema::ping{nonce}));
    const auto pong = other.read<schema::pong>();
    ASSERT_TRUE(pong);
    EXPECT_EQ(pong->nonce, nonce);
    fastest = std::min(fastest, std::chrono::steady_clock::now() - sent);
  }
  EXPECT_LT(fastest, std::chrono::milliseconds{50});
  release.reset();
  EXPECT_TRUE(prompt.read<schema::call_failed>());
  EXPECT_TRUE(other.read<schema::call_failed>());
}

TEST_F(NodeServer, EndsThoughAPeerDoesNotReadItsAnswers) {
  const auto peer = connect();
  const auto& sent = node->server().counters().bytes_out;
  // More answers than the system keeps for a connection.
  constexpr auto much = std::uint64_t{16} << 20;
  auto pings = std::vector<char>{};
  for (auto i = 0; i < 1000; ++i)
    schema::encode(schema::ping{}, pings);
  while (sent.load() < much)
    ASSERT_TRUE(peer.send(pings));
  node.reset(); // would wait for the peer
}

TEST_F(NodeServer, TellsThePeerWhatItsShardFailedOf) {
  node->failing = true;
  auto peer = connect();
  ASSERT_TRUE(peer.send(call_of({})));
  const auto failed = peer.read<schema::call_failed>();
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->code, schema::failure_code::restarting);
  EXPECT_EQ(failed->text, "made to fail");
}

} // namespace
} // namespace larql::actors
