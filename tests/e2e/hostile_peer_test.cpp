// Mirrors actors/net/listener.hpp and actors/node/client_connection.hpp from outside: peers that
// send anything at all neither crash nor hang a node, and cost it nothing once they are gone.

#include "tests/e2e/call_examples.hpp"
#include "tests/e2e/programs.hpp"
#include "tests/support/random_weights.hpp"

namespace larql::test {
namespace {

class HostilePeer : public model_test {
protected:
  void SetUp() override {
    model_test::SetUp();
    node = start_node({"--name", "victim"});
    expected = logits();
    ASSERT_TRUE(works()); // and everything that a first run allocates is there
    descriptors = descriptor_count(node->pid());
    threads = thread_count(node->pid());
    memory = memory_bytes(node->pid(), "RssAnon");
  }

  /// After the attack: the node answers as before and has given everything back, but for scratch
  /// memory that fits the largest call.
  void TearDown() override {
    EXPECT_TRUE(works());
    EXPECT_TRUE(eventually([&] { return descriptor_count(node->pid()) == descriptors; }))
        << descriptor_count(node->pid()) << " descriptors, " << descriptors << " before";
    EXPECT_TRUE(eventually([&] { return thread_count(node->pid()) == threads; }))
        << thread_count(node->pid()) << " threads, " << threads << " before";
#if !defined(__SANITIZE_ADDRESS__) // which keeps freed memory
    EXPECT_TRUE(eventually([&] {
      return memory_bytes(node->pid(), "RssAnon") < memory + (64u << 20);
    })) << memory_bytes(node->pid(), "RssAnon");
#endif
    node->child().signal(SIGTERM);
    EXPECT_EQ(node->child().wait(), (exit_status{0, 0})) << node->child().err();
  }

  bool works() {
    const auto got = logits({"--moe-shards", node->owns("0-7")});
    return difference(got, expected).empty();
  }

  /// A connection after a correct handshake.
  [[nodiscard]] raw_peer connected() const {
    auto peer = raw_peer{node->port()};
    EXPECT_TRUE(peer.greet_to_call());
    return peer;
  }

  node_ptr node;
  std::string expected;
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  std::uint64_t memory = 0;
};

std::vector<char> random_bytes(random_source& random, std::size_t n) {
  auto out = std::vector<char>(n);
  for (auto& b : out)
    b = static_cast<char>(random.bits());
  return out;
}

TEST_F(HostilePeer, RandomBytesCloseTheirConnection) {
  auto random = random_source{1};
  for (auto i = 0; i < 60; ++i) {
    const auto peer = raw_peer{node->port()};
    peer.send(random_bytes(random, 1 + random.below(5000)));
    peer.end_sending();
    EXPECT_TRUE(peer.is_closed_by_peer());
  }
}

TEST_F(HostilePeer, EmptyConnectionsAreForgotten) {
  for (auto i = 0; i < 60; ++i) {
    auto peer = raw_peer{node->port()};
    i % 2 == 0 ? peer.close() : peer.reset();
  }
}

TEST_F(HostilePeer, HandshakesThatStopMidwayAreForgotten) {
  const auto hello = frame_of(schema::hello{});
  for (auto n = std::size_t{1}; n < hello.size(); n += 3) {
    auto peer = raw_peer{node->port()};
    peer.send(std::span{hello}.first(n));
    n % 2 == 0 ? peer.close() : peer.reset();
  }
}

TEST_F(HostilePeer, LengthsOutOfRangeCloseTheConnectionAndAllocateNothing) {
  for (const auto length : {0u, schema::max_hello_bytes + 8, schema::max_frame_bytes, ~0u}) {
    const auto peer = raw_peer{node->port()};
    peer.send(frame_header(length));
    EXPECT_TRUE(peer.is_closed_by_peer()) << length;
  }
  for (const auto length : {0u, schema::max_frame_bytes + 1, ~0u}) {
    const auto peer = connected();
    peer.send(frame_header(length));
    EXPECT_TRUE(peer.is_closed_by_peer()) << length;
  }
}

TEST_F(HostilePeer, ClaimedLengthsCostNoMemoryUntilTheBytesCome) {
  auto peers = std::vector<raw_peer>{};
  for (auto i = 0; i < 20; ++i) {
    peers.push_back(connected());
    peers.back().send(frame_header(schema::max_frame_bytes));
    peers.back().send(std::vector<char>(10));
  }
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(memory_bytes(node->pid(), "RssAnon"), memory + (40u << 20));
#endif
  EXPECT_TRUE(works());
}

TEST_F(HostilePeer, GarbageAfterTheHandshakeClosesTheConnection) {
  auto random = random_source{2};
  for (auto i = 0; i < 30; ++i) {
    const auto peer = connected();
    peer.send(random_bytes(random, 64 + random.below(5000)));
    EXPECT_TRUE(peer.is_closed_by_peer());
  }
  for (auto i = 0; i < 30; ++i) { // well framed
    const auto peer = connected();
    const auto n = 8 * (1 + random.below(300));
    peer.send(frame_header(n));
    peer.send(random_bytes(random, n));
    EXPECT_TRUE(peer.is_closed_by_peer());
  }
}

TEST_F(HostilePeer, MessagesInTheWrongPlaceCloseTheConnection) {
  const auto wrong_first = {schema::message{schema::ping{}}, schema::message{schema::refused{}},
                            schema::message{schema::expert_call{}},
                            schema::message{schema::expert_result{}}};
  for (const auto& m : wrong_first) {
    const auto peer = raw_peer{node->port()};
    peer.send(m);
    EXPECT_TRUE(peer.is_closed_by_peer()) << m.index();
  }
  const auto wrong_later = {schema::message{schema::hello{}}, schema::message{schema::refused{}},
                            schema::message{schema::expert_result{}},
                            schema::message{schema::call_failed{}},
                            schema::message{schema::pong{}}};
  for (const auto& m : wrong_later) {
    const auto peer = connected();
    peer.send(m);
    EXPECT_TRUE(peer.is_closed_by_peer()) << m.index();
  }
}

TEST_F(HostilePeer, AnotherProtocolVersionIsRefusedWithBothVersions) {
  auto peer = raw_peer{node->port()};
  peer.send(schema::hello{7, "future", {}});
  const auto no = peer.read<schema::refused>();
  ASSERT_TRUE(no);
  EXPECT_EQ(no->reason, "protocol version is 7, this node speaks 1");
  EXPECT_TRUE(peer.is_closed_by_peer());
}

TEST_F(HostilePeer, CallsWithHostileCountsAreAnsweredOrDropped) {
  auto random = random_source{3};
  auto peer = std::optional<raw_peer>{connected()};
  const auto description = raw_peer{node->port()}.greet();
  ASSERT_TRUE(description);
  const auto example = call_example{*description, 3};
  const auto good = frame_of(example.call);
  auto answered = 0, dropped = 0;
  for (auto i = 0; i < 400; ++i) {
    auto bad = good;
    for (auto n = 1 + random.below(3); n != 0; --n) {
      // Words of the message: counts, pointers, numbers.
      const auto at = schema::frame_header_bytes +
                      8 * random.below(static_cast<std::uint32_t>(bad.size() / 8 - 1));
      const auto word = random.below(2) == 0 ? random.bits() : std::uint64_t{random.below(1 << 20)};
      std::memcpy(bad.data() + at, &word, 8);
    }
    peer->send(bad);
    peer->send(schema::ping{static_cast<std::uint64_t>(i)});
    const auto payload = peer->read_payload();
    if (!payload) { // not a message: the node closed
      ++dropped;
      peer.emplace(connected());
      continue;
    }
    ++answered;
    // An answer to the call and one to the ping, in any order.
    ASSERT_TRUE(peer->read_payload());
  }
  EXPECT_GT(answered, 20);
  EXPECT_GT(dropped, 20);
}

TEST_F(HostilePeer, ConnectionsResetInTheMiddleOfACallAreForgotten) {
  for (auto i = 0; i < 30; ++i) {
    auto peer = raw_peer{node->port()};
    const auto description = peer.greet_to_call();
    ASSERT_TRUE(description);
    const auto example = call_example{*description, 64};
    const auto frame = frame_of(example.call);
    const auto whole = i % 3 != 0;
    peer.send(std::span{frame}.first(whole ? frame.size() : frame.size() / 2));
    i % 2 == 0 ? peer.reset() : peer.close();
  }
}

TEST_F(HostilePeer, APeerThatNeverReadsItsAnswersIsClosed) {
  auto peer = raw_peer{node->port()};
  const auto description = peer.greet_to_call();
  ASSERT_TRUE(description);
  const auto example = call_example{*description, 4096};
  const auto frame = frame_of(example.call);
  // Of four megabytes answer each, if the node has the time to compute it; else it refuses.
  EXPECT_TRUE(eventually([&] { return !peer.send(frame); }));
  EXPECT_TRUE(node->child().wait_for_err("does not read its answers")) << node->child().err();
}

TEST_F(HostilePeer, SlowHandshakesEndInTimeHoweverMany) {
  const auto hello = frame_of(schema::hello{});
  const auto dribbling = raw_peer{node->port()};
  auto silent = std::vector<raw_peer>{};
  for (auto i = 0; i < 40; ++i) // more than there are places
    silent.emplace_back(node->port());
  // One byte whenever the last has gone out: the deadline is for the whole hello.
  for (auto i = std::size_t{0}; i + 1 < hello.size(); ++i)
    ASSERT_TRUE(dribbling.send(std::span{hello}.subspan(i, 1)));
  EXPECT_TRUE(dribbling.is_closed_by_peer());
  for (const auto& peer : silent)
    EXPECT_TRUE(peer.is_closed_by_peer());
}

TEST_F(HostilePeer, HalfOpenConnectionsDoNotKeepOthersOut) {
  auto open = std::vector<raw_peer>{};
  for (auto i = 0; i < 50; ++i)
    open.push_back(connected());
  for (const auto& peer : open)
    peer.end_sending(); // half closed
  EXPECT_TRUE(works());
}

} // namespace
} // namespace larql::test
