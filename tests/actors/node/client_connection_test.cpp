// Mirrors actors/node/client_connection.hpp. No threads, no sockets: the network is virtual.

#include "tests/actors/node/client_connection_fixture.hpp"

namespace larql::actors {
namespace {

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

/// An answer in pieces, which failures with texts stand for.
encoded_frame in_pieces(std::uint64_t id, std::uint32_t count) {
  auto frames = std::vector<char>{};
  for (auto i = 0u; i < count; ++i)
    schema::encode(schema::call_failed{id, incarnation, {}, fmt::format("piece {}", i)}, frames);
  return as_answer(std::move(frames));
}

class AnswersInPieces : public ClientConnection {
protected:
  /// What was sent since, and the connection says that it has sent it.
  std::vector<std::string> take() {
    auto out = std::vector<std::string>{};
    for (const auto& m : messages())
      out.push_back(m.substr(m.find("id=")));
    const auto written =
        caf::io::data_transferred_msg{caf::io::connection_handle::from_int(fd), 1, 0};
    caf::anon_send(connection, written);
    settle();
    return out;
  }
  static std::string piece(std::uint64_t id, int i) {
    return fmt::format("id={} incarnation={} code=0 text=piece {}", id, incarnation, i);
  }
};

TEST_F(AnswersInPieces, AreSentAPieceAtATime) {
  receive_call(1);
  shard.answer(0, in_pieces(1, 3));
  settle();
  for (auto i = 0; i < 3; ++i)
    EXPECT_EQ(take(), texts{piece(1, i)});
  EXPECT_EQ(take(), texts{});
}

TEST_F(AnswersInPieces, LetOthersPassBetweenTheirPieces) {
  receive_call(1);
  receive_call(2);
  shard.answer(0, in_pieces(1, 3));
  settle();
  shard.answer(1, in_pieces(2, 1)); // whole
  settle();
  receive(fd, frame_of(schema::ping{9}));
  const auto first = messages();
  ASSERT_EQ(first.size(), 3u);
  EXPECT_NE(first[0].find(piece(1, 0)), std::string::npos);
  EXPECT_NE(first[1].find(piece(2, 0)), std::string::npos) << "before the second piece";
  EXPECT_TRUE(first[2].starts_with("pong nonce=9")) << first[2];
  EXPECT_EQ(take(), texts{});
  EXPECT_EQ(take(), texts{piece(1, 1)});
  EXPECT_EQ(take(), texts{piece(1, 2)});
}

TEST_F(AnswersInPieces, FollowEachOther) {
  receive_call(1);
  receive_call(2);
  shard.answer(0, in_pieces(1, 2));
  shard.answer(1, in_pieces(2, 2));
  settle();
  for (const auto& expected : {piece(1, 0), piece(1, 1), piece(2, 0), piece(2, 1)})
    EXPECT_EQ(take(), texts{expected});
}

TEST_F(AnswersInPieces, WaitWhileTheConnectionHasSomethingToSend) {
  receive_call(1);
  receive_call(2);
  shard.answer(0, in_pieces(1, 1));
  shard.answer(1, in_pieces(2, 2));
  settle();
  EXPECT_EQ(take(), texts{piece(1, 0)});
  EXPECT_EQ(take(), texts{piece(2, 0)});
  EXPECT_EQ(take(), texts{piece(2, 1)});
}

TEST_F(AnswersInPieces, AreNotHeldBackWhenTheNodeIsAboutToLeave) {
  receive_call(1);
  receive_call(2);
  shard.answer(0, in_pieces(1, 3));
  settle();
  caf::anon_send(connection, notice_atom::value, schema::node_state::draining);
  settle();
  shard.answer(1, in_pieces(2, 2));
  settle();
  EXPECT_EQ(take(), (texts{piece(1, 0), piece(1, 1), piece(1, 2), piece(2, 0), piece(2, 1)}));
  EXPECT_EQ(take(), texts{});
}

TEST_F(AnswersInPieces, EndWithTheConnection) {
  receive_call(1);
  shard.answer(0, in_pieces(1, 3));
  settle();
  EXPECT_EQ(take(), texts{piece(1, 0)});
  lose(fd);
  settle();
  EXPECT_EQ(counters->buffers->used(), 0u) << "the pieces that were not sent are gone";
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

} // namespace
} // namespace larql::actors
