// Mirrors actors/node/node.hpp and actors/laptop/cluster.hpp from outside: several laptops, many
// connections, shutdown in the middle of calls. Nothing hangs, nothing leaks, no bit changes.

#include "tests/e2e/call_examples.hpp"
#include "tests/e2e/programs.hpp"

#include <future>

namespace larql::test {
namespace {

class Concurrency : public model_test {
protected:
  [[nodiscard]] words logits_command(const std::string& map, const fs::path& output) const {
    return larql({"logits", vindex().string(), "--ids", prompt_ids, "-o", output.string(),
                  "--chunk", "1", "-t", "1", "--moe-shards", map});
  }
};

TEST_F(Concurrency, LaptopsThatShareNodesGetTheBitsOfLocalExperts) {
  const auto ranges = words{"0-3", "4-7"};
  const auto nodes = start_nodes(ranges);
  const auto expected = logits();
  auto laptops = std::vector<std::unique_ptr<child_process>>{};
  const auto output = [&](std::size_t i) { return scratch_ / fmt::format("shared-{}", i); };
  for (auto i = std::size_t{0}; i < 4; ++i)
    laptops.push_back(
        std::make_unique<child_process>(logits_command(shard_map(nodes, ranges), output(i))));
  for (auto i = std::size_t{0}; i < laptops.size(); ++i) {
    EXPECT_EQ(laptops[i]->wait(), (exit_status{0, 0})) << laptops[i]->err();
    EXPECT_EQ(difference(read_file(output(i)), expected), "");
  }
}

TEST_F(Concurrency, ConnectionsLeaveNothingBehind) {
  const auto node = start_node();
  const auto connect = [&](int times) {
    for (auto i = 0; i < times; ++i) {
      auto peer = raw_peer{node->port()};
      const auto description = peer.greet_to_call();
      ASSERT_TRUE(description);
      ASSERT_TRUE(peer.send(call_example{*description, 1}.call));
      ASSERT_TRUE(peer.read<schema::expert_result>());
    }
  };
  const auto settled = [&] { // all connections are forgotten
    auto last = descriptor_count(node->pid());
    EXPECT_TRUE(eventually([&] {
      const auto now = descriptor_count(node->pid());
      return std::exchange(last, now) == now && thread_count(node->pid()) < 16;
    }));
    return std::pair{descriptor_count(node->pid()), thread_count(node->pid())};
  };
  connect(20);
  const auto before = settled();
  connect(200);
  EXPECT_TRUE(eventually([&] {
    const auto now = settled();
    return now.first <= before.first && now.second <= before.second;
  }));
}

TEST_F(Concurrency, RunsOneAfterTheOtherLeaveTheNodeAsItWas) {
  const auto node = start_node();
  const auto run_once = [&] {
    EXPECT_EQ(generate({"-n", "2", "-q", "--moe-shards", node->owns("0-7")}).code, 0);
  };
  run_once();
  const auto descriptors = descriptor_count(node->pid());
  const auto threads = thread_count(node->pid());
  for (auto i = 0; i < 20; ++i)
    run_once();
  EXPECT_TRUE(eventually([&] { return descriptor_count(node->pid()) <= descriptors; }));
  EXPECT_TRUE(eventually([&] { return thread_count(node->pid()) <= threads; }));
}

TEST_F(Concurrency, ANodeThatRestartsOnItsPortServesTheNextRun) {
  const auto expected = logits();
  auto node = start_node();
  const auto port = std::to_string(node->port());
  for (const auto signal : {SIGTERM, SIGKILL, SIGTERM}) {
    EXPECT_EQ(difference(logits({"--moe-shards", node->owns("0-7")}), expected), "");
    node->child().signal(signal);
    ASSERT_TRUE(node->child().wait());
    node = start_node({"--port", port});
  }
  EXPECT_EQ(difference(logits({"--moe-shards", node->owns("0-7")}), expected), "");
}

TEST_F(Concurrency, ShutdownInTheMiddleOfCallsEndsBothSides) {
  for (auto round = 0; round < 6; ++round) {
    const auto ranges = words{"0-3", "4-7"};
    const auto nodes = start_nodes(ranges);
    auto going = child_process{
        larql({"run", vindex().string(), "abc", "-n", "1000000", "--context", "1000100",
               "--moe-shards", shard_map(nodes, ranges), "--failover-timeout", "0"})};
    ASSERT_TRUE(eventually([&] { return !going.out().empty(); })) << going.err();
    // Who goes first alternates.
    if (round % 2 == 0)
      going.signal(round % 4 == 0 ? SIGINT : SIGKILL);
    for (const auto& node : nodes)
      node->child().signal(SIGTERM);
    ASSERT_TRUE(going.wait()) << "the run hangs";
    for (const auto& node : nodes)
      EXPECT_EQ(node->child().wait(), (exit_status{0, 0})) << node->child().err();
  }
}

// Of all places one address has a share, as long as its peers have no certificates.
TEST_F(Concurrency, MoreConnectionsThanPlacesAreTurnedAwayAndTheRestGoesOn) {
  const auto node = start_node();
  constexpr auto places = 128; // of an address that proved nothing
  auto peers = std::vector<raw_peer>{};
  for (auto i = 0; i < places; ++i) {
    peers.emplace_back(node->port());
    ASSERT_TRUE(peers.back().greet()) << i;
    // It has its place when it is answered; the welcome comes earlier.
    ASSERT_TRUE(peers.back().send(schema::ping{7}));
    ASSERT_TRUE(peers.back().read<schema::pong>()) << i;
  }
  // All places are taken, by peers that are not idle: the next one waits after its welcome, and is
  // closed.
  const auto refused = raw_peer{node->port()};
  ASSERT_TRUE(refused.greet());
  auto closed = std::async(std::launch::async, [&] { return refused.is_closed_by_peer(); });
  while (closed.wait_for(std::chrono::milliseconds{100}) != std::future_status::ready)
    for (auto& p : peers) {
      ASSERT_TRUE(p.send(schema::ping{7}));
      ASSERT_TRUE(p.read<schema::pong>());
    }
  EXPECT_TRUE(closed.get());
  EXPECT_TRUE(node->child().wait_for_err("too many connections"));
  // The others are served, and a place that becomes free is used again.
  ASSERT_TRUE(peers.back().send(schema::ping{7}));
  EXPECT_EQ(peers.back().read<schema::pong>().value_or(schema::pong{}).nonce, 7u);
  const auto full = descriptor_count(node->pid());
  peers.erase(peers.begin() + places - 56, peers.end());
  ASSERT_TRUE(eventually([&] { return descriptor_count(node->pid()) <= full - 56; }));
  EXPECT_EQ(logits({"--moe-shards", node->owns("0-7")}).size(), 17u * 512 * 4);
}

} // namespace
} // namespace larql::test
