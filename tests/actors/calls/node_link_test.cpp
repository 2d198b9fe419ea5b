// Mirrors actors/calls/node_link.hpp. No threads, no sockets: the network is virtual.

#include "actors/calls/node_link.hpp"

#include "schema/codec.hpp"
#include "tests/support/deterministic_system.hpp"
#include "tests/support/message_text.hpp"
#include "tests/support/wire_frame.hpp"

#include <array>

namespace larql::actors {
namespace {

constexpr auto incarnation = std::uint64_t{4711};

using test::frame_of;

schema::expert_result result(std::uint64_t id) {
  auto out = schema::expert_result{};
  out.id = id;
  out.incarnation = incarnation;
  return out;
}

outgoing_call call_with(std::uint64_t id, std::vector<char> frame) {
  return {id, std::make_shared<std::vector<char>>(std::move(frame))};
}

class NodeLink : public test::deterministic_system {
protected:
  NodeLink() {
    auto description = std::make_shared<schema::node_description>();
    description->node = "alpha";
    description->incarnation = incarnation;
    description_ = description;
    start({std::chrono::milliseconds{0}, 0, {}}); // no heartbeat
  }
  void start(link_options options) {
    link = spawn_broker<node_link_state>(sys, virtual_connection(fd), description_, "10.0.0.1:9470",
                                         std::move(options));
    settle();
  }
  ~NodeLink() override {
    caf::anon_send_exit(link, caf::exit_reason::user_shutdown);
    settle();
  }

  using answer = std::shared_ptr<reply<received_result>>;

  /// Hands a call to the link; what it carries does not matter to it.
  answer call(std::uint64_t id) {
    return ask<received_result>(link, run_atom::value, call_with(id, frame_of(schema::ping{id})));
  }
  shard_status status() { return ask<shard_status>(link, status_atom::value)->value.value(); }

  static void expect_failed(const answer& a, failure_code code, const std::string& text) {
    ASSERT_TRUE(a->error) << (a->pending() ? "still waits" : "was answered");
    EXPECT_EQ(code_of(*a->error), code) << text_of(*a->error);
    EXPECT_EQ(actors::text_of(*a->error), text);
  }
  /// Whether the link has ended: nobody there to answer.
  bool has_ended() { return ask<shard_status>(link, status_atom::value)->error.has_value(); }

  int fd = 1007;
  description_ptr description_;
  node_link_actor link;
};

TEST_F(NodeLink, SendsTheFrameAsItIsAndWaits) {
  const auto a = call(5);
  EXPECT_EQ(sent(fd), frame_of(schema::ping{5}));
  EXPECT_TRUE(a->pending());
  EXPECT_EQ(status().waiting, 1u);
}

TEST_F(NodeLink, AnswersACallWithTheResultThatNamesIt) {
  const auto first = call(1), second = call(2);
  receive(fd, frame_of(result(2)));
  EXPECT_TRUE(first->pending());
  ASSERT_TRUE(second->value);
  EXPECT_EQ(test::text_of(second->value->message), test::text_of(result(2)));
  receive(fd, frame_of(result(1)));
  ASSERT_TRUE(first->value);
  EXPECT_EQ(status().served, 2u);
  EXPECT_EQ(status().waiting, 0u);
}

TEST_F(NodeLink, ARelayIsAskedAtOnceHowManyCallsItTakes) {
  EXPECT_TRUE(sent(fd).empty()) << "this one is none";
  auto relay = std::make_shared<schema::node_description>(*description_);
  relay->reached = {0, {{7, {{0, 9}, {4, 7}}}}};
  description_ = relay;
  fd = 1008;
  caf::anon_send_exit(link, caf::exit_reason::user_shutdown);
  start({std::chrono::milliseconds{0}, 0, {}});
  EXPECT_EQ(sent(fd), frame_of(schema::ping{1}));
}

TEST_F(NodeLink, TakesFramesInAnyPieces) {
  const auto a = call(1), b = call(2), c = call(3);
  auto bytes = frame_of(result(1));
  schema::encode(result(2), bytes);
  schema::encode(result(3), bytes);
  for (const auto byte : bytes) // one at a time
    receive(fd, std::span{&byte, 1});
  EXPECT_TRUE(a->value && b->value && c->value);
}

TEST_F(NodeLink, TakesSeveralFramesAtOnce) {
  const auto a = call(1), b = call(2), c = call(3);
  auto bytes = frame_of(result(3));
  schema::encode(result(1), bytes);
  schema::encode(schema::pong{0, incarnation, 0, 0, {}}, bytes);
  schema::encode(result(2), bytes);
  receive(fd, bytes);
  EXPECT_TRUE(a->value && b->value && c->value);
}

TEST_F(NodeLink, TakesAnswersLargerThanAReceivePiece) {
  auto bytes = std::vector<std::byte>(5'000'000);
  for (auto i = std::size_t{0}; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(i * 31 >> 7);
  const auto a = call(1);
  auto large = result(1);
  large.sums = bytes;
  receive(fd, frame_of(large));
  ASSERT_TRUE(a->value);
  const auto got = a->value->message.sums;
  EXPECT_TRUE(std::equal(got.begin(), got.end(), bytes.begin(), bytes.end()));
}

constexpr auto numbers =
    std::array{std::byte{4}, std::byte{5}, std::byte{6}, std::byte{7}, std::byte{8}};

/// Rows [first, first + rows) of five, each of whose sums are two bytes.
schema::expert_result piece(std::uint64_t id, std::uint32_t first, std::uint32_t rows) {
  static constexpr auto sums = std::array<std::byte, 10>{};
  auto out = result(id);
  out.first_row = first;
  out.call_rows = 5;
  out.rows = rows;
  out.widths = std::span{numbers}.subspan(first, rows);
  out.sums = std::span{sums}.first(2 * std::size_t{rows});
  out.compute_ns = 77;
  return out;
}

TEST_F(NodeLink, PutsThePiecesOfAnAnswerTogether) {
  const auto a = call(1), b = call(2);
  receive(fd, frame_of(piece(1, 0, 2)));
  receive(fd, frame_of(piece(1, 2, 1)));
  EXPECT_TRUE(a->pending());
  receive(fd, frame_of(result(2)));
  EXPECT_TRUE(b->value) << "an answer between the pieces of another one";
  receive(fd, frame_of(piece(1, 3, 2)));
  ASSERT_TRUE(a->value);
  auto whole = result(1);
  whole.rows = 5;
  whole.widths = numbers;
  const auto zeros = std::vector<std::byte>(10);
  whole.sums = zeros;
  whole.compute_ns = 77;
  EXPECT_EQ(test::text_of(a->value->message), test::text_of(whole));
  EXPECT_EQ(status().served, 2u);
  EXPECT_EQ(status().waiting, 0u);
}

TEST_F(NodeLink, PiecesOfTwoAnswersMayBeMixed) {
  const auto a = call(1), b = call(2);
  receive(fd, frame_of(piece(1, 0, 4)));
  receive(fd, frame_of(piece(2, 0, 3)));
  receive(fd, frame_of(piece(2, 3, 2)));
  receive(fd, frame_of(piece(1, 4, 1)));
  ASSERT_TRUE(a->value && b->value);
  EXPECT_EQ(a->value->message.rows, 5u);
  EXPECT_EQ(b->value->message.rows, 5u);
}

TEST_F(NodeLink, ALostConnectionBetweenPiecesFailsTheCall) {
  const auto a = call(1);
  receive(fd, frame_of(piece(1, 0, 4)));
  lose(fd);
  expect_failed(a, failure_code::link_lost,
                "node alpha (10.0.0.1:9470): the connection was closed");
}

TEST_F(NodeLink, AFailureAfterSomePiecesFailsTheCall) {
  const auto a = call(1);
  receive(fd, frame_of(piece(1, 0, 4)));
  receive(fd, frame_of(schema::call_failed{1, incarnation, failure_code::restarting, "gone"}));
  expect_failed(a, failure_code::restarting, "node alpha (10.0.0.1:9470): gone");
  receive(fd, frame_of(piece(1, 4, 1))); // of nobody
  EXPECT_FALSE(has_ended());
}

TEST_F(NodeLink, PiecesThatDoNotFollowEachOtherEndTheConnection) {
  auto more_rows = piece(1, 2, 3);
  more_rows.call_rows = 6;
  auto no_widths = piece(1, 2, 3);
  no_widths.widths = {};
  auto whole = result(1);
  whole.rows = 5;
  for (const auto& second : {piece(1, 1, 4), piece(1, 3, 2), more_rows, no_widths, whole}) {
    SCOPED_TRACE(test::text_of(second));
    lose(fd);
    ++fd;
    start({std::chrono::milliseconds{0}, 0, {}});
    const auto a = call(1);
    receive(fd, frame_of(piece(1, 0, 2)));
    receive(fd, frame_of(second));
    EXPECT_TRUE(a->error);
    EXPECT_TRUE(has_ended());
  }
}

TEST_F(NodeLink, TurnsARefusalIntoAnErrorThatNamesNodeAndAddress) {
  for (const auto code :
       {failure_code::internal, failure_code::not_owner, failure_code::bad_call,
        failure_code::overloaded, failure_code::draining, failure_code::restarting}) {
    const auto a = call(1);
    receive(fd, frame_of(schema::call_failed{1, incarnation, code, "no"}));
    expect_failed(a, code, "node alpha (10.0.0.1:9470): no");
  }
  EXPECT_EQ(status().failed, 6u);
  EXPECT_EQ(status().served, 6u);
}

TEST_F(NodeLink, DropsAnswersThatNobodyWaitsFor) {
  const auto a = call(1);
  receive(fd, frame_of(result(99)));
  receive(fd, frame_of(schema::call_failed{99, incarnation, {}, "no"}));
  EXPECT_TRUE(a->pending());
  receive(fd, frame_of(result(1)));
  EXPECT_TRUE(a->value);
  receive(fd, frame_of(result(1))); // once more
  EXPECT_EQ(status().served, 1u);
}

TEST_F(NodeLink, DropsAnswersOfAnotherIncarnation) {
  const auto a = call(1);
  auto old = result(1);
  old.incarnation = incarnation - 1;
  receive(fd, frame_of(old));
  receive(fd, frame_of(schema::call_failed{1, incarnation + 1, {}, "no"}));
  EXPECT_TRUE(a->pending());
  receive(fd, frame_of(result(1)));
  EXPECT_TRUE(a->value);
}

TEST_F(NodeLink, RefusesAnIdThatIsInFlight) {
  const auto first = call(1);
  const auto second = call(1);
  expect_failed(second, failure_code::bad_call, "call id 1 is in flight already");
  receive(fd, frame_of(result(1)));
  EXPECT_TRUE(first->value);
}

TEST_F(NodeLink, ForwardsRequestsAndAnswersInAnyOrder) {
  const auto ask_node = [&](const schema::message& m) {
    return ask<admin_message_ptr>(link, admin_atom::value,
                                  admin_message_ptr{std::make_shared<schema::message>(m)});
  };
  const auto asked = [&] { // the number that the node sees
    const auto frame = sent(fd);
    auto m =
        *schema::decode(std::vector<char>(frame.begin() + schema::frame_header_bytes, frame.end()));
    return *request_id(m);
  };
  const auto status = ask_node(schema::ask_status{7, incarnation});
  const auto first = asked();
  const auto drain = ask_node(schema::control{7, schema::control_action::drain, incarnation});
  const auto second = asked();
  EXPECT_NE(first, second);
  receive(fd, frame_of(schema::controlled{second, true, "drained"}));
  ASSERT_TRUE(drain->value);
  EXPECT_EQ(std::get<schema::controlled>(**drain->value).text, "drained");
  EXPECT_TRUE(status->pending());
  receive(fd, frame_of(schema::node_status{first, incarnation}));
  EXPECT_TRUE(status->value);
  const auto ping = ask_node(schema::ping{7, incarnation});
  receive(fd, frame_of(schema::pong{asked(), incarnation, 1, 0, {}}));
  EXPECT_TRUE(ping->value);
  const auto late = ask_node(schema::ping{7, incarnation});
  lose(fd);
  ASSERT_TRUE(late->error);
  EXPECT_EQ(code_of(*late->error), failure_code::link_lost);
}

TEST_F(NodeLink, RefusesToForwardWhatIsNoRequest) {
  const auto a = ask<admin_message_ptr>(
      link, admin_atom::value, admin_message_ptr{std::make_shared<schema::message>(result(1))});
  ASSERT_TRUE(a->error);
  EXPECT_EQ(code_of(*a->error), failure_code::bad_call);
  EXPECT_TRUE(sent(fd).empty());
}

TEST_F(NodeLink, AnAnswerThatNobodyAskedForEndsTheConnection) {
  receive(fd, frame_of(schema::node_status{1, incarnation}));
  EXPECT_TRUE(has_ended());
}

TEST_F(NodeLink, FailsEveryCallAtOnceWhenTheConnectionEnds) {
  const auto a = call(1), b = call(2), c = call(3);
  receive(fd, frame_of(result(2)));
  lose(fd);
  expect_failed(a, failure_code::link_lost,
                "node alpha (10.0.0.1:9470): the connection was closed");
  EXPECT_TRUE(b->value);
  expect_failed(c, failure_code::link_lost,
                "node alpha (10.0.0.1:9470): the connection was closed");
  EXPECT_TRUE(has_ended());
}

TEST_F(NodeLink, FailsCallsAfterTheConnectionEndedAtOnce) {
  lose(fd);
  const auto a = call(1);
  ASSERT_TRUE(a->error) << "waits for its deadline";
  EXPECT_EQ(*a->error, caf::sec::request_receiver_down);
}

TEST_F(NodeLink, FailsCallsThatWereStillInItsMailboxWhenTheConnectionEnded) {
  // The call is there, but the link has not looked yet when its connection goes.
  auto out = std::make_shared<reply<received_result>>();
  sys.spawn([=, to = link](caf::event_based_actor* self) {
    self->request(to, std::chrono::minutes{60}, run_atom::value,
                  call_with(1, frame_of(schema::ping{})))
        .then([=](const received_result& x) { out->value = x; },
              [=](const caf::error& e) { out->error = e; });
  });
  while (sched.try_run_once()) { // the caller, but not the network
  }
  lose(fd);
  EXPECT_TRUE(out->error) << "waits for its deadline";
}

TEST_F(NodeLink, GarbageEndsTheConnectionAndEveryCall) {
  const auto a = call(1);
  receive(fd, std::vector<char>(8, 'x'));
  ASSERT_TRUE(a->error);
  EXPECT_EQ(code_of(*a->error), failure_code::link_lost);
  EXPECT_NE(actors::text_of(*a->error).find("frame: magic is 78787878"), std::string::npos);
  EXPECT_TRUE(is_closed(fd));
  EXPECT_TRUE(has_ended());
}

TEST_F(NodeLink, LengthsOutOfRangeEndTheConnection) {
  const auto a = call(1);
  auto header = frame_of(result(1));
  header.resize(schema::frame_header_bytes);
  const auto length = schema::max_frame_bytes + 1;
  std::memcpy(header.data() + 4, &length, 4);
  receive(fd, header);
  ASSERT_TRUE(a->error);
  EXPECT_NE(actors::text_of(*a->error).find("length is 67108865"), std::string::npos);
  EXPECT_TRUE(is_closed(fd));
}

TEST_F(NodeLink, MessagesThatOnlyALaptopSendsEndTheConnection) {
  const auto a = call(1);
  receive(fd, frame_of(schema::hello{}));
  expect_failed(a, failure_code::link_lost,
                "node alpha (10.0.0.1:9470): the node sent a message that a laptop does not "
                "expect");
  EXPECT_TRUE(is_closed(fd));
}

TEST_F(NodeLink, DamagedMessagesEndTheConnection) {
  const auto a = call(1);
  auto frame = frame_of(result(1));
  std::fill(frame.begin() + schema::frame_header_bytes, frame.end(), '\xff');
  receive(fd, frame);
  ASSERT_TRUE(a->error);
  EXPECT_EQ(code_of(*a->error), failure_code::link_lost);
}

TEST_F(NodeLink, EndsWithItsOwner) {
  const auto a = call(1);
  caf::anon_send_exit(link, caf::exit_reason::user_shutdown);
  settle();
  expect_failed(a, failure_code::link_lost,
                "node alpha (10.0.0.1:9470): the connection was given up");
  EXPECT_TRUE(is_closed(fd));
  EXPECT_TRUE(has_ended());
}

TEST_F(NodeLink, DescribesItsNode) {
  const auto described = ask<description_ptr>(link, describe_atom::value);
  ASSERT_TRUE(described->value);
  EXPECT_EQ((*described->value)->node, "alpha");
}

// ---- signs of life ------------------------------------------------------------------------------

class NodeLinkHeartbeat : public NodeLink {
protected:
  NodeLinkHeartbeat() {
    caf::anon_send_exit(link, caf::exit_reason::user_shutdown);
    settle();
    fd = 1009;
    start({std::chrono::milliseconds{100}, 3, {}});
  }
  std::uint64_t nonce_of_ping() {
    const auto bytes = sent(fd);
    if (bytes.size() <= schema::frame_header_bytes)
      return 0;
    const auto body = std::vector<char>(bytes.begin() + schema::frame_header_bytes, bytes.end());
    const auto m = schema::decode(body);
    return m ? std::get<schema::ping>(*m).nonce : 0;
  }
  void answer_ping(std::uint64_t nonce, schema::node_state state = schema::node_state::serving) {
    receive(fd, frame_of(schema::pong{nonce, incarnation, 0, 0, state}));
  }
};

TEST_F(NodeLinkHeartbeat, AsksForASignOfLifeAtEveryInterval) {
  for (auto i = 0; i < 10; ++i) {
    advance(std::chrono::milliseconds{100});
    const auto nonce = nonce_of_ping();
    EXPECT_NE(nonce, 0u) << i;
    answer_ping(nonce);
  }
  EXPECT_FALSE(has_ended());
}

TEST_F(NodeLinkHeartbeat, OneMissedAnswerIsNotTheEnd) {
  for (auto i = 0; i < 12; ++i) {
    advance(std::chrono::milliseconds{100});
    const auto nonce = nonce_of_ping();
    if (i % 3 == 2)
      answer_ping(nonce);
  }
  EXPECT_FALSE(has_ended());
}

TEST_F(NodeLinkHeartbeat, SilenceForSeveralIntervalsEndsTheConnectionAndItsCalls) {
  const auto a = call(1);
  for (auto i = 0; i < 3; ++i) {
    advance(std::chrono::milliseconds{100});
    EXPECT_TRUE(a->pending()) << i;
  }
  advance(std::chrono::milliseconds{100});
  ASSERT_TRUE(a->error);
  EXPECT_EQ(code_of(*a->error), failure_code::link_lost);
  EXPECT_NE(actors::text_of(*a->error).find("no sign of life for 400 ms"), std::string::npos)
      << actors::text_of(*a->error);
  EXPECT_TRUE(is_closed(fd));
}

TEST_F(NodeLinkHeartbeat, ALaptopThatWasStoppedAsksOnceMoreBeforeItGivesALinkUp) {
  advance(std::chrono::milliseconds{100});
  (void) sent(fd);
  advance(std::chrono::seconds{7}); // nothing ran meanwhile, and nothing was read
  EXPECT_FALSE(has_ended());
  const auto nonce = nonce_of_ping();
  ASSERT_NE(nonce, 0u);
  answer_ping(nonce);
  for (auto i = 0; i < 3; ++i)
    advance(std::chrono::milliseconds{100});
  EXPECT_FALSE(has_ended());
}

TEST_F(NodeLinkHeartbeat, ALinkThatStaysSilentAfterTheLaptopWasStoppedIsGivenUpOnePeriodLater) {
  advance(std::chrono::seconds{7});
  EXPECT_FALSE(has_ended());
  advance(std::chrono::milliseconds{100});
  EXPECT_TRUE(has_ended());
}

TEST_F(NodeLinkHeartbeat, AnAnswerToACallIsASignOfLife) {
  for (auto i = 1u; i < 12; ++i) {
    call(i);
    advance(std::chrono::milliseconds{100});
    receive(fd, frame_of(result(i)));
  }
  EXPECT_FALSE(has_ended());
}

TEST_F(NodeLinkHeartbeat, MeasuresTheTimeToTheAnswer) {
  advance(std::chrono::milliseconds{100});
  const auto nonce = nonce_of_ping();
  advance(std::chrono::milliseconds{7});
  answer_ping(nonce);
  EXPECT_NEAR(status().round_trip_p50_us, 7000, 1);
}

TEST_F(NodeLinkHeartbeat, AnotherIncarnationBehindTheSameConnectionEndsIt) {
  advance(std::chrono::milliseconds{100});
  receive(fd, frame_of(schema::pong{nonce_of_ping(), incarnation + 1, 0, 0, {}}));
  EXPECT_TRUE(has_ended());
}

} // namespace
} // namespace larql::actors
