// Mirrors actors/node/node.hpp. Connections are virtual; the shard answers what the test says.

#include "actors/node/node.hpp"

#include "schema/codec.hpp"
#include "tests/actors/core/fake_worker.hpp"
#include "tests/support/deterministic_system.hpp"
#include "tests/support/wire_frame.hpp"

#include <deque>

namespace larql::actors {
namespace {

constexpr auto first_fd = 2000; // no descriptors of this process

using test::frame_of;

class Node : public test::deterministic_system {
protected:
  Node() { start({}); }
  ~Node() override {
    caf::anon_send_exit(node, caf::exit_reason::user_shutdown);
    node = nullptr;
    for (auto& s : shards)
      s.end();
    settle();
  }

  void start(node_options options) {
    if (node)
      caf::anon_send_exit(node, caf::exit_reason::user_shutdown);
    settle();
    options.description = std::make_shared<schema::node_description>();
    options.start_shard = [this](caf::actor_system& system) {
      shards.emplace_back();
      return shards.back().spawn(system);
    };
    node = spawn_state<node_supervisor_state>(sys, std::move(options));
    settle();
  }
  test::fake_shard& shard() { return shards.back(); }

  void connect(int fd, const std::string& host = "10.0.0.1") {
    auto client = std::make_shared<accepted_client>();
    client->connection = virtual_connection(fd);
    client->peer = host + ":5555";
    client->hello.model.emplace();
    caf::anon_send(node, connect_atom::value, accepted_client_ptr{std::move(client)});
    settle();
  }
  schema::node_status status() {
    return *ask<node_status_ptr>(node, status_atom::value)->value.value();
  }
  std::uint32_t connections() { return status().connections; }
  void receive_call(int fd, std::uint64_t id) {
    auto call = schema::expert_call{};
    call.id = id;
    receive(fd, frame_of(call));
  }
  /// The code of the failure that was sent last; -1 for none.
  int failure_code(int fd) {
    const auto bytes = sent(fd);
    if (bytes.empty())
      return -1;
    const auto body = std::vector<char>(bytes.begin() + schema::frame_header_bytes, bytes.end());
    const auto m = schema::decode(body);
    const auto* failed = m ? std::get_if<schema::call_failed>(&*m) : nullptr;
    return failed == nullptr ? -1 : static_cast<int>(failed->code);
  }
  void fail_shard() {
    shard().end(caf::exit_reason::unhandled_exception);
    settle();
  }

  std::deque<test::fake_shard> shards; // every one that was started
  node_actor node;
};

TEST_F(Node, KeepsAConnectionForEachLaptop) {
  for (auto i = 0; i < 3; ++i)
    connect(first_fd + i);
  EXPECT_EQ(connections(), 3u);
  receive_call(first_fd, 1);
  receive_call(first_fd + 2, 1); // the same id on another connection
  EXPECT_EQ(shard().calls().size(), 2u);
  const auto answer = frame_of(schema::ping{});
  shard().answer(1, encoded_frame{std::make_shared<std::vector<char>>(answer)});
  settle();
  EXPECT_EQ(sent(first_fd).size(), 0u);
  EXPECT_EQ(sent(first_fd + 2), answer);
}

TEST_F(Node, ForgetsConnectionsThatEnd) {
  connect(first_fd);
  connect(first_fd + 1);
  lose(first_fd);
  EXPECT_EQ(connections(), 1u);
  receive(first_fd + 1, std::vector<char>(8, 'x'));
  EXPECT_EQ(connections(), 0u);
}

TEST_F(Node, TurnsAwayConnectionsBeyondTheLimitWhileNoneIsIdle) {
  const auto limit = static_cast<int>(client_places::most_connections);
  const auto host = [](int i) { return fmt::format("10.0.0.{}", i % 5); };
  for (auto i = 0; i < limit + 2; ++i)
    connect(first_fd + i, host(i));
  EXPECT_EQ(connections(), client_places::most_connections);
  receive(first_fd + limit - 1, frame_of(schema::ping{}));
  EXPECT_NE(sent(first_fd + limit - 1).size(), 0u);
  lose(first_fd); // makes room
  connect(first_fd + limit + 5);
  EXPECT_EQ(connections(), client_places::most_connections);
}

TEST_F(Node, AnAddressThatProvedNothingHasAShareOfThePlaces) {
  const auto share = static_cast<int>(client_places::most_unproven_per_address);
  for (auto i = 0; i < share + 2; ++i)
    connect(first_fd + i);
  EXPECT_EQ(connections(), client_places::most_unproven_per_address);
  connect(first_fd + share + 5, "10.0.0.2");
  EXPECT_EQ(connections(), client_places::most_unproven_per_address + 1);
}

TEST_F(Node, AnIdleConnectionGivesItsPlaceToANewOne) {
  const auto share = static_cast<int>(client_places::most_unproven_per_address);
  for (auto i = 0; i < share; ++i)
    connect(first_fd + i);
  advance(client_places::silent_time);
  for (auto i = 1; i < share; ++i)
    receive(first_fd + i, frame_of(schema::ping{}));
  connect(first_fd + share);
  EXPECT_EQ(connections(), client_places::most_unproven_per_address);
  receive(first_fd + share, frame_of(schema::ping{}));
  EXPECT_NE(sent(first_fd + share).size(), 0u);
}

TEST_F(Node, ANewConnectionWaitsUntilAnotherIsIdle) {
  const auto share = static_cast<int>(client_places::most_unproven_per_address);
  for (auto i = 0; i <= share; ++i)
    connect(first_fd + i);
  EXPECT_EQ(connections(), client_places::most_unproven_per_address);
  advance(client_places::silent_time);
  EXPECT_EQ(connections(), client_places::most_unproven_per_address);
  receive(first_fd + share, frame_of(schema::ping{}));
  EXPECT_NE(sent(first_fd + share).size(), 0u);
}

TEST_F(Node, DrainingIsAnsweredWhenTheShardHasNothingLeft) {
  connect(first_fd);
  auto drained = false;
  sys.spawn([&](caf::event_based_actor* self) {
    self->request(node, std::chrono::minutes{1}, drain_atom::value)
        .then([&] { drained = true; }, [](const caf::error&) {});
  });
  settle();
  EXPECT_TRUE(drained);
  EXPECT_EQ(status().state, schema::node_state::draining);
  receive(first_fd, frame_of(schema::ping{}));
  const auto bytes = sent(first_fd);
  const auto body = std::vector<char>(bytes.begin() + schema::frame_header_bytes, bytes.end());
  EXPECT_EQ(std::get<schema::pong>(*schema::decode(body)).state, schema::node_state::draining);
}

// ---- shards that fail ---------------------------------------------------------------------------

TEST_F(Node, StartsAFailedShardAgainAfterABackOff) {
  connect(first_fd);
  fail_shard();
  EXPECT_EQ(shards.size(), 1u) << "at once";
  receive_call(first_fd, 1);
  EXPECT_EQ(failure_code(first_fd), static_cast<int>(schema::failure_code::restarting));
  advance(std::chrono::milliseconds{60});
  ASSERT_EQ(shards.size(), 2u);
  receive_call(first_fd, 2);
  EXPECT_EQ(shard().calls().size(), 1u) << "the connection asks the new shard";
  EXPECT_EQ(status().restarts, 1u);
  EXPECT_EQ(status().state, schema::node_state::serving);
}

TEST_F(Node, TheBackOffGrowsWithFailuresInARow) {
  fail_shard();
  advance(std::chrono::milliseconds{60});
  ASSERT_EQ(shards.size(), 2u);
  fail_shard();
  advance(std::chrono::milliseconds{60});
  EXPECT_EQ(shards.size(), 2u);
  advance(std::chrono::milliseconds{60});
  EXPECT_EQ(shards.size(), 3u);
}

TEST_F(Node, AShardThatFailsTooOftenLeavesTheNodeDegradedButUp) {
  auto options = node_options{};
  options.most_restarts = 3;
  start(std::move(options));
  connect(first_fd);
  for (auto i = 0; i < 4; ++i) {
    fail_shard();
    advance(std::chrono::seconds{1});
  }
  EXPECT_EQ(status().state, schema::node_state::degraded);
  const auto started = shards.size();
  advance(std::chrono::minutes{1});
  EXPECT_EQ(shards.size(), started) << "loops";
  receive_call(first_fd, 1);
  EXPECT_EQ(failure_code(first_fd), static_cast<int>(schema::failure_code::internal));
  EXPECT_EQ(connections(), 1u);
}

TEST_F(Node, FailuresLongAgoDoNotCount) {
  auto options = node_options{};
  options.most_restarts = 3;
  start(std::move(options));
  for (auto i = 0; i < 10; ++i) {
    fail_shard();
    advance(std::chrono::seconds{40});
  }
  EXPECT_EQ(status().state, schema::node_state::serving);
}

TEST_F(Node, AnOperatorsRestartTakesANewShardAtOnceAndIsNoFailure) {
  const auto a = ask<bool>(node, restart_atom::value);
  ASSERT_TRUE(a->value);
  EXPECT_TRUE(*a->value);
  EXPECT_EQ(shards.size(), 2u);
  for (auto i = 0; i < 30; ++i)
    ask<bool>(node, restart_atom::value);
  EXPECT_EQ(status().state, schema::node_state::serving);
}

TEST_F(Node, TakesNoCallsUntilItIsReady) {
  auto options = node_options{};
  options.state = schema::node_state::loading;
  start(std::move(options));
  connect(first_fd);
  receive_call(first_fd, 1);
  EXPECT_EQ(failure_code(first_fd), static_cast<int>(schema::failure_code::restarting));
  caf::anon_send(node, notice_atom::value, schema::node_state::serving);
  settle();
  receive_call(first_fd, 2);
  EXPECT_EQ(shard().calls().size(), 1u);
}

// ---- the end
// --------------------------------------------------------------------------------------

TEST_F(Node, ClosesItsConnectionsWhenItEnds) {
  connect(first_fd);
  connect(first_fd + 1);
  caf::anon_send_exit(node, caf::exit_reason::user_shutdown);
  settle();
  EXPECT_TRUE(is_closed(first_fd));
  EXPECT_TRUE(is_closed(first_fd + 1));
}

TEST_F(Node, AnswersThatAreThereGoOutBeforeItsConnectionsClose) {
  connect(first_fd);
  receive_call(first_fd, 1);
  receive_call(first_fd, 2);
  const auto answer = frame_of(schema::ping{3});
  shard().answer(0, encoded_frame{std::make_shared<std::vector<char>>(answer)});
  shard().answer(1, encoded_frame{std::make_shared<std::vector<char>>(answer)});
  while (sched.try_run_once()) { // the shard answers, but the network has not looked yet
  }
  caf::anon_send_exit(node, caf::exit_reason::user_shutdown);
  while (sched.try_run_once()) {
  }
  settle();
  EXPECT_TRUE(is_closed(first_fd));
  EXPECT_EQ(sent(first_fd).size(), 2 * answer.size());
}

} // namespace
} // namespace larql::actors
