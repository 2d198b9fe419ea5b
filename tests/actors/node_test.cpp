// Mirrors actors/node.hpp. Connections are virtual; the shard answers what the test says.

#include "actors/node.hpp"

#include "schema/codec.hpp"
#include "tests/actors/fake_shard.hpp"
#include "tests/support/deterministic_system.hpp"

namespace larql::actors {
namespace {

constexpr auto first_fd = 2000; // no descriptors of this process

std::vector<char> frame_of(const schema::message& m) {
  auto out = std::vector<char>{};
  schema::encode(m, out);
  return out;
}

class Node : public test::deterministic_system {
protected:
  Node() {
    node =
        spawn_state<node_state>(sys, shard.spawn(sys), std::make_shared<schema::node_description>(),
                                [this](const std::string& why) { failures.push_back(why); });
    settle();
  }
  ~Node() override {
    caf::anon_send_exit(node, caf::exit_reason::user_shutdown);
    node = nullptr;
    shard.end();
    settle();
  }

  void connect(int fd) {
    caf::anon_send(node, connect_atom::value, fd, std::string{"peer"});
    settle();
  }
  std::uint32_t connections() {
    return ask<std::uint32_t>(node, status_atom::value)->value.value();
  }
  void receive_call(int fd, std::uint64_t id) {
    auto call = schema::expert_call{};
    call.id = id;
    receive(fd, frame_of(call));
  }

  test::fake_shard shard;
  node_actor node;
  std::vector<std::string> failures;
};

TEST_F(Node, KeepsAConnectionForEachLaptop) {
  for (auto i = 0; i < 3; ++i)
    connect(first_fd + i);
  EXPECT_EQ(connections(), 3u);
  receive_call(first_fd, 1);
  receive_call(first_fd + 2, 1); // the same id on another connection
  EXPECT_EQ(shard.calls().size(), 2u);
  const auto answer = frame_of(schema::ping{});
  shard.answer(1, frame_payload(answer));
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

TEST_F(Node, TurnsAwayConnectionsBeyondTheLimit) {
  const auto limit = static_cast<int>(node_state::max_connections);
  for (auto i = 0; i < limit + 2; ++i)
    connect(first_fd + i);
  EXPECT_EQ(connections(), node_state::max_connections);
  receive(first_fd + limit - 1, frame_of(schema::ping{}));
  EXPECT_NE(sent(first_fd + limit - 1).size(), 0u);
  lose(first_fd); // makes room
  connect(first_fd + limit + 5);
  EXPECT_EQ(connections(), node_state::max_connections);
}

TEST_F(Node, TurnsAwayConnectionsWhileItDrains) {
  connect(first_fd);
  caf::anon_send(node, drain_atom::value);
  settle();
  connect(first_fd + 1);
  EXPECT_EQ(connections(), 1u);
}

TEST_F(Node, HandsADrainToItsShard) {
  auto drained = false;
  sys.spawn([&](caf::event_based_actor* self) {
    self->request(node, std::chrono::minutes{1}, drain_atom::value)
        .then([&] { drained = true; }, [](const caf::error&) {});
  });
  settle();
  EXPECT_TRUE(drained);
}

TEST_F(Node, ReportsTheEndOfItsShard) {
  shard.end(caf::exit_reason::unhandled_exception);
  settle();
  EXPECT_EQ(failures, std::vector<std::string>{"unhandled_exception"});
}

TEST_F(Node, ClosesItsConnectionsWhenItEnds) {
  connect(first_fd);
  connect(first_fd + 1);
  caf::anon_send_exit(node, caf::exit_reason::user_shutdown);
  settle();
  EXPECT_TRUE(is_closed(first_fd));
  EXPECT_TRUE(is_closed(first_fd + 1));
  EXPECT_TRUE(failures.empty());
}

TEST_F(Node, AnswersThatAreThereGoOutBeforeItsConnectionsClose) {
  connect(first_fd);
  receive_call(first_fd, 1);
  receive_call(first_fd, 2);
  const auto answer = frame_of(schema::ping{3});
  shard.answer(0, frame_payload(answer));
  shard.answer(1, frame_payload(answer));
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
