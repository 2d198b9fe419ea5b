// Mirrors actors/node/client_connection.hpp. No threads, no sockets: the network is virtual.

#include "actors/node/client_connection.hpp"

#include "actors/core/errc.hpp"
#include "schema/codec.hpp"
#include "tests/actors/core/fake_worker.hpp"
#include "tests/support/deterministic_system.hpp"
#include "tests/support/message_text.hpp"
#include "tests/support/wire_frame.hpp"

namespace larql::actors {
namespace {

constexpr auto incarnation = std::uint64_t{4711};

using test::frame_of;

encoded_frame as_answer(std::vector<char> frame) {
  return {std::make_shared<std::vector<char>>(std::move(frame))};
}

class ClientConnection : public test::deterministic_system {
protected:
  ClientConnection() {
    description->incarnation = incarnation;
    node = spawn_state<fake_node>(sys, std::ref(asked), std::ref(node_is_silent));
    start({});
  }
  /// A connection of a peer with this identity; the one before ends.
  void start(peer_identity who, bool holds_the_model = true) {
    if (connection)
      caf::anon_send_exit(connection, caf::exit_reason::user_shutdown);
    settle();
    auto client = std::make_shared<accepted_client>();
    client->connection = virtual_connection(++fd);
    client->peer = "10.0.0.2:5555";
    client->identity = std::move(who);
    if (holds_the_model)
      client->hello.model.emplace();
    auto context = client_connection_state::context{};
    context.node = node;
    context.shard = shard.actor() ? shard.actor() : shard.spawn(sys);
    context.description = description;
    context.restart_node = [this] { ++restarts; };
    context.counters = counters;
    connection = spawn_broker<client_connection_state>(sys, accepted_client_ptr{std::move(client)},
                                                       std::move(context));
    settle();
  }
  ~ClientConnection() override {
    caf::anon_send_exit(connection, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(node, caf::exit_reason::user_shutdown);
    node = nullptr;
    shard.end();
    settle();
  }

  /// Answers what the connection asks of its node.
  class fake_node {
  public:
    using handle = node_actor;
    static constexpr const char* name = "fake-node";
    fake_node(handle::pointer self, std::vector<std::string>& asked, const bool& is_silent)
        : self_(self), asked_(asked), is_silent_(is_silent) {}
    handle::behavior_type make_behavior() {
      return {[](connect_atom, const accepted_client_ptr&) {},
              [](notice_atom, schema::node_state) {},
              [this](drain_atom) { asked_.push_back("drain"); },
              [this](restart_atom) {
                asked_.push_back("restart");
                return true;
              },
              [this](status_atom) { return status(); },
              [](describe_atom) { return schema::node_state::serving; },
              [](shard_atom) {},
              [](tick_atom) {}};
    }

  private:
    caf::result<node_status_ptr> status() {
      if (is_silent_) {
        unanswered_.push_back(self_->make_response_promise<node_status_ptr>());
        return unanswered_.back();
      }
      auto s = std::make_shared<schema::node_status>();
      s->owned_bytes = 12345;
      return node_status_ptr{std::move(s)};
    }

    handle::pointer self_;
    std::vector<std::string>& asked_;
    const bool& is_silent_;
    std::vector<caf::typed_response_promise<node_status_ptr>> unanswered_;
  };

  void receive_call(std::uint64_t id, std::span<const std::byte> data = {}) {
    auto call = schema::expert_call{};
    call.id = id;
    call.activations = data;
    receive(fd, frame_of(call));
  }

  /// The messages sent to the laptop since the last call, as text.
  std::vector<std::string> messages() {
    auto out = std::vector<std::string>{};
    auto bytes = sent(fd);
    while (!bytes.empty()) {
      const auto length = schema::decode_header(std::span{bytes}.first(schema::frame_header_bytes),
                                                schema::max_frame_bytes);
      if (!length) {
        ADD_FAILURE() << length.error().text;
        return out;
      }
      const auto begin = bytes.begin() + schema::frame_header_bytes;
      const auto body = std::vector<char>(begin, begin + *length);
      const auto m = schema::decode(body);
      out.push_back(m ? test::text_of(*m) : m.error().text);
      bytes.erase(bytes.begin(), begin + *length);
    }
    return out;
  }
  using texts = std::vector<std::string>;

  int fd = 1008;
  std::shared_ptr<schema::node_description> description =
      std::make_shared<schema::node_description>();
  std::shared_ptr<node_counters> counters = std::make_shared<node_counters>();
  std::vector<std::string> asked;
  bool node_is_silent = false;
  int restarts = 0;
  node_actor node;
  test::fake_shard shard;
  client_actor connection;
};

TEST_F(ClientConnection, HandsCallsToTheShardAndAnswersBack) {
  receive_call(5);
  ASSERT_EQ(shard.calls().size(), 1u);
  EXPECT_EQ(shard.calls()[0].message.id, 5u);
  EXPECT_EQ(messages(), texts{});
  shard.answer(0, as_answer(frame_of(schema::pong{1, 2, 3, 4, schema::node_state::draining})));
  settle();
  EXPECT_EQ(messages(),
            texts{test::text_of(schema::pong{1, 2, 3, 4, schema::node_state::draining})});
}

TEST_F(ClientConnection, HandsACallOnAsItDecodedItWithTheBufferThatItPointsInto) {
  const auto data = std::vector<std::byte>(64, std::byte{7});
  receive_call(5, data);
  ASSERT_EQ(shard.calls().size(), 1u);
  const auto& call = shard.calls()[0];
  EXPECT_GT(call.arrived.time_since_epoch().count(), 0);
  const auto got = call.message.activations;
  EXPECT_TRUE(std::equal(got.begin(), got.end(), data.begin(), data.end()));
  const auto bytes = std::as_bytes(std::span{*call.buffer});
  EXPECT_GE(got.data(), bytes.data());
  EXPECT_LE(got.data() + got.size(), bytes.data() + bytes.size());
}

TEST_F(ClientConnection, TakesFramesInAnyPieces) {
  auto bytes = frame_of(schema::expert_call{});
  schema::encode(schema::ping{9}, bytes);
  schema::encode(schema::expert_call{}, bytes);
  for (const auto& byte : bytes)
    receive(fd, std::span{&byte, 1});
  EXPECT_EQ(shard.calls().size(), 2u);
  EXPECT_EQ(messages().size(), 1u);
}

TEST_F(ClientConnection, TakesSeveralFramesAtOnce) {
  auto bytes = std::vector<char>{};
  for (auto i = 0; i < 10; ++i)
    schema::encode(schema::expert_call{}, bytes);
  receive(fd, bytes);
  EXPECT_EQ(shard.calls().size(), 10u);
}

TEST_F(ClientConnection, TakesCallsLargerThanAReceivePiece) {
  auto data = std::vector<std::byte>(3'000'000);
  for (auto i = std::size_t{0}; i < data.size(); ++i)
    data[i] = static_cast<std::byte>(i * 13 >> 5);
  receive_call(1, data);
  ASSERT_EQ(shard.calls().size(), 1u);
  const auto got = shard.calls()[0].message.activations;
  EXPECT_TRUE(std::equal(got.begin(), got.end(), data.begin(), data.end()));
}

TEST_F(ClientConnection, AnswersPingsWithItsCounters) {
  receive_call(1);
  receive_call(2);
  shard.answer(0, as_answer(frame_of(schema::ping{})));
  settle();
  (void) messages();
  receive(fd, frame_of(schema::ping{77}));
  EXPECT_EQ(messages(), texts{test::text_of(schema::pong{77, incarnation, 1, 1, {}})});
}

TEST_F(ClientConnection, CallsBeyondTheBudgetOfAllConnectionsAreOverloaded) {
  counters->buffers = std::make_shared<memory_budget>(10'000, 0);
  start({});
  const auto data = std::vector<std::byte>(3000);
  receive_call(1, data);
  EXPECT_EQ(messages(), texts{});
  const auto held = counters->buffers->used();
  EXPECT_GE(held, data.size());
  receive_call(2, data); // more than half of the budget for one connection
  const auto refused = messages();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_TRUE(refused[0].starts_with("failed id=2 incarnation=4711 code=3 ")) << refused[0];
  ASSERT_TRUE(counters->buffers->take(10'000 - counters->buffers->used())); // by others
  shard.answer(0, as_answer(frame_of(schema::ping{})));
  settle();
  EXPECT_EQ(messages().size(), 1u); // what was accepted is answered all the same
  caf::anon_send_exit(connection, caf::exit_reason::user_shutdown);
  settle();
  EXPECT_LE(counters->buffers->used(), 10'000u - data.size()); // it has given back its share
}

TEST_F(ClientConnection, ACallOfATokenFindsAPlaceHoweverMuchTheOthersHold) {
  ASSERT_TRUE(counters->buffers->take(counters->buffers->limit()));
  const auto data = std::vector<std::byte>(12'000);
  receive_call(1, data);
  ASSERT_EQ(shard.calls().size(), 1u);
  shard.answer(0, as_answer(frame_of(schema::call_failed{1, 2, {}, std::string(1000, 'x')})));
  settle();
  EXPECT_EQ(messages().size(), 1u);
  receive_call(2, std::vector<std::byte>(memory_budget::default_free_bytes));
  EXPECT_EQ(shard.calls().size(), 1u);
  EXPECT_TRUE(messages().at(0).starts_with("failed id=2 incarnation=4711 code=3 "));
}

TEST_F(ClientConnection, AnAnswerThatFindsNoPlaceIsOverloaded) {
  receive_call(1);
  ASSERT_TRUE(counters->buffers->take(counters->buffers->limit()));
  shard.answer(0, as_answer(std::vector<char>(2 * memory_budget::default_free_bytes)));
  settle();
  const auto got = messages();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_TRUE(got[0].starts_with("failed id=1 incarnation=4711 code=3 ")) << got[0];
  EXPECT_FALSE(is_closed(fd));
}

TEST_F(ClientConnection, AnAnswerThatIsTheOnlyOneMayTakeMoreThanTheShareOfOneConnection) {
  counters->buffers = std::make_shared<memory_budget>(100'000, 0);
  start({});
  receive_call(1);
  shard.answer(0, as_answer(frame_of(schema::call_failed{1, 2, {}, std::string(1000, 'x')})));
  settle();
  receive_call(2);
  const auto before = sent(fd).size(); // nothing waits any more
  EXPECT_GT(before, 1000u);
  auto large = std::vector<char>(80'000);
  shard.answer(1, as_answer(large));
  settle();
  EXPECT_EQ(sent(fd).size(), large.size());
}

TEST_F(ClientConnection, ClosesAPeerThatAsksForStatusWithoutWaiting) {
  node_is_silent = true;
  for (auto i = 0u; i < client_connection_state::most_requests; ++i)
    receive(fd, frame_of(schema::ask_status{i}));
  EXPECT_FALSE(is_closed(fd));
  receive(fd, frame_of(schema::ask_status{99}));
  EXPECT_TRUE(is_closed(fd));
}

TEST_F(ClientConnection, AnswersCallsBeyondTheWindowWithOverloaded) {
  for (auto id = 1u; id <= client_connection_state::window; ++id)
    receive_call(id);
  EXPECT_EQ(messages(), texts{});
  receive_call(100);
  ASSERT_EQ(shard.calls().size(), client_connection_state::window);
  const auto refused = messages();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_TRUE(refused[0].starts_with("failed id=100 incarnation=4711 code=3 ")) << refused[0];
  // One answer makes room for one call.
  shard.answer(0, as_answer(frame_of(schema::ping{})));
  settle();
  receive_call(101);
  EXPECT_EQ(shard.calls().size(), client_connection_state::window + 1);
  receive_call(102);
  EXPECT_EQ(shard.calls().size(), client_connection_state::window + 1);
}

TEST_F(ClientConnection, AnswersCallsBeyondTheBytesThatMayWaitWithOverloaded) {
  const auto data = std::vector<std::byte>(schema::max_frame_bytes - 8192);
  const auto fit = client_connection_state::max_waiting_bytes / data.size();
  for (auto id = 0u; id < fit; ++id)
    receive_call(id, data);
  EXPECT_EQ(shard.calls().size(), fit);
  EXPECT_EQ(messages(), texts{});
  receive_call(99, data);
  EXPECT_EQ(shard.calls().size(), fit);
  const auto refused = messages();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_TRUE(refused[0].starts_with("failed id=99 incarnation=4711 code=3 ")) << refused[0];
}

TEST_F(ClientConnection, AnswersADrainingShardsRefusalWithDraining) {
  receive_call(3);
  shard.fail(0, make_error(failure_code::draining, "the node is draining"));
  settle();
  EXPECT_EQ(messages(),
            texts{test::text_of(schema::call_failed{3, incarnation, schema::failure_code::draining,
                                                    "the node is draining"})});
}

TEST_F(ClientConnection, AnswersOtherErrorsWithRestarting) {
  receive_call(3);
  shard.fail(0, caf::sec::runtime_error);
  settle();
  const auto got = messages();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_TRUE(got[0].starts_with("failed id=3 incarnation=4711 code=5 ")) << got[0];
}

TEST_F(ClientConnection, AnswersCallsOfAShardThatIsGone) {
  shard.end();
  settle();
  receive_call(3);
  const auto got = messages();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_TRUE(got[0].starts_with("failed id=3 incarnation=4711 code=5 ")) << got[0];
}

TEST_F(ClientConnection, AsksTheNewShardAfterARestart) {
  caf::anon_send(connection, shard_atom::value, expert_shard_actor{});
  settle();
  receive_call(1);
  EXPECT_TRUE(messages().at(0).starts_with("failed id=1 incarnation=4711 code=5 "));
  auto second = test::fake_shard{};
  caf::anon_send(connection, shard_atom::value, second.spawn(sys));
  settle();
  receive_call(2);
  EXPECT_EQ(second.calls().size(), 1u);
  second.end();
  settle();
}

TEST_F(ClientConnection, ALoadingOrDegradedNodeTakesNoCalls) {
  const auto refuses = [&](schema::node_state state, const char* code) {
    caf::anon_send(connection, notice_atom::value, state);
    settle();
    receive_call(1);
    const auto got = messages();
    ASSERT_EQ(got.size(), 1u);
    EXPECT_NE(got[0].find(code), std::string::npos) << got[0];
  };
  refuses(schema::node_state::loading, "code=5");
  refuses(schema::node_state::degraded, "code=0");
  EXPECT_EQ(shard.calls().size(), 0u);
}

TEST_F(ClientConnection, CountsForTheWholeNode) {
  receive_call(1);
  receive_call(2);
  EXPECT_EQ(counters->waiting, 2u);
  shard.answer(0, as_answer(frame_of(schema::ping{})));
  settle();
  shard.fail(1, caf::sec::runtime_error);
  settle();
  EXPECT_EQ(counters->waiting, 0u);
  EXPECT_EQ(counters->served, 2u);
  EXPECT_EQ(counters->failed, 1u);
  receive_call(3);
  lose(fd);
  EXPECT_EQ(counters->waiting, 0u);
}

// ---- roles --------------------------------------------------------------------------------------

TEST_F(ClientConnection, AnswersRequestsForItsStatus) {
  receive(fd, frame_of(schema::ask_status{9}));
  const auto got = messages();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_NE(got[0].find("status nonce=9"), std::string::npos) << got[0];
  EXPECT_NE(got[0].find("owned=12345"), std::string::npos) << got[0];
}

TEST_F(ClientConnection, DoesWhatAnOperatorAsks) {
  using action = schema::control_action;
  for (const auto& who : {peer_identity{}, peer_identity{peer_role::operator_, "ada"}}) {
    start(who);
    asked.clear();
    restarts = 0;
    receive(fd, frame_of(schema::control{1, action::drain}));
    receive(fd, frame_of(schema::control{2, action::restart_shard}));
    receive(fd, frame_of(schema::control{3, action::restart_node}));
    EXPECT_EQ(messages(), (texts{"controlled id=1 ok=true text=drained",
                                 "controlled id=2 ok=true text=the shard was restarted",
                                 "controlled id=3 ok=true text=drained, starting anew"}));
    EXPECT_EQ(asked, (texts{"drain", "restart", "drain"}));
    EXPECT_EQ(restarts, 1);
  }
}

TEST_F(ClientConnection, OnlyAnOperatorMayControl) {
  start({peer_role::laptop, "ada"});
  for (const auto action : {schema::control_action::drain, schema::control_action::restart_shard,
                            schema::control_action::restart_node})
    receive(fd, frame_of(schema::control{1, action}));
  EXPECT_EQ(messages(), texts(3, "controlled id=1 ok=false text=a laptop may not control a node, "
                                 "only an operator may"));
  EXPECT_TRUE(asked.empty());
  receive_call(1);
  EXPECT_EQ(shard.calls().size(), 1u);
}

TEST_F(ClientConnection, ANodeMayNeitherCallNorControl) {
  start({peer_role::node, "beta"});
  receive_call(1);
  receive(fd, frame_of(schema::control{1, schema::control_action::drain}));
  const auto got = messages();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_NE(got[0].find("a node may not call"), std::string::npos) << got[0];
  EXPECT_NE(got[1].find("ok=false"), std::string::npos) << got[1];
  EXPECT_EQ(shard.calls().size(), 0u);
}

TEST_F(ClientConnection, WhoShowedNoModelMayNotCall) {
  start({}, false);
  receive_call(1);
  EXPECT_NE(messages().at(0).find("opened for status only"), std::string::npos);
  EXPECT_EQ(shard.calls().size(), 0u);
}

TEST_F(ClientConnection, AnswersACallThatTheShardNeverAnswers) {
  receive_call(3);
  advance(client_connection_state::call_timeout + std::chrono::seconds{1});
  const auto got = messages();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_TRUE(got[0].starts_with("failed id=3 incarnation=4711 code=5 ")) << got[0];
}

TEST_F(ClientConnection, AnsweredCallsLeaveNothingBehind) {
  // A timeout that CAF keeps for every call of five minutes is hundreds of megabytes.
  const auto& waiting = sched.clock().schedule();
  receive_call(1);
  shard.answer(0, as_answer(frame_of(schema::ping{})));
  settle();
  const auto before = waiting.size();
  for (auto i = std::size_t{1}; i <= 100; ++i) {
    receive_call(i + 1);
    shard.answer(i, as_answer(frame_of(schema::ping{})));
    receive(fd, frame_of(schema::ask_status{i}));
  }
  (void) messages();
  EXPECT_EQ(waiting.size(), before);
}

TEST_F(ClientConnection, ALateAnswerIsNotSentAfterTheFailure) {
  receive_call(3);
  advance(client_connection_state::call_timeout + std::chrono::seconds{1});
  EXPECT_EQ(messages().size(), 1u);
  shard.answer(0, as_answer(frame_of(schema::ping{})));
  settle();
  EXPECT_EQ(messages().size(), 0u);
  receive_call(4); // and the connection goes on
  shard.answer(1, as_answer(frame_of(schema::ping{})));
  settle();
  EXPECT_EQ(messages().size(), 1u);
}

TEST_F(ClientConnection, ClosesOnGarbage) {
  receive(fd, std::vector<char>(8, 'x'));
  EXPECT_TRUE(is_closed(fd));
}

TEST_F(ClientConnection, ClosesOnLengthsOutOfRange) {
  auto header = frame_of(schema::ping{});
  header.resize(schema::frame_header_bytes);
  const auto length = ~0u;
  std::memcpy(header.data() + 4, &length, 4);
  receive(fd, header);
  EXPECT_TRUE(is_closed(fd));
}

TEST_F(ClientConnection, ClosesOnMessagesThatOnlyANodeSends) {
  receive(fd, frame_of(schema::expert_result{}));
  EXPECT_TRUE(is_closed(fd));
  EXPECT_EQ(shard.calls().size(), 0u);
}

TEST_F(ClientConnection, ClosesOnDamagedMessages) {
  auto frame = frame_of(schema::ping{});
  std::fill(frame.begin() + schema::frame_header_bytes, frame.end(), '\xff');
  receive(fd, frame);
  EXPECT_TRUE(is_closed(fd));
}

TEST_F(ClientConnection, AGarbledFrameDoesNotTakeEarlierCallsWithIt) {
  receive_call(1);
  receive(fd, std::vector<char>(8, 'x'));
  shard.answer(0, as_answer(frame_of(schema::ping{}))); // to nobody
  settle();
  EXPECT_TRUE(is_closed(fd));
}

TEST_F(ClientConnection, DropsAnswersWhenThePeerIsGone) {
  receive_call(1);
  lose(fd);
  shard.answer(0, as_answer(frame_of(schema::ping{})));
  settle();
  EXPECT_EQ(sent(fd).size(), 0u);
}

TEST_F(ClientConnection, ClosesAPeerThatDoesNotReadItsAnswers) {
  // Nobody takes bytes from a virtual connection but sent().
  const auto answer = [] {
    return as_answer(std::vector<char>(client_connection_state::max_unsent_bytes / 4));
  };
  for (auto i = 0u; i < 4; ++i) {
    receive_call(i);
    shard.answer(i, answer());
    settle();
    EXPECT_FALSE(is_closed(fd)) << i;
  }
  receive_call(4);
  shard.answer(4, answer());
  settle();
  EXPECT_TRUE(is_closed(fd));
}

} // namespace
} // namespace larql::actors
