// Mirrors actors/node/client_connection.hpp: what one connection, and all together, may hold.

#include "tests/actors/node/client_connection_fixture.hpp"

#include "runtime/base/log.hpp"
#include "tests/support/raw_peer.hpp"

#include <gmock/gmock.h>

namespace larql::actors {
namespace {

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

TEST_F(ClientConnection, APeerThatFillsTheMemoryWithAnswersThatItDoesNotReadIsClosedForThat) {
  static auto lines = std::string{};
  lines.clear();
  set_log_writer([](std::string_view, std::string_view text) { lines += text; });
  constexpr auto piece = frame_reader::piece_bytes;
  constexpr auto unread = piece / 2;
  counters->buffers = std::make_shared<memory_budget>(piece + unread / 2, 0);
  start({});
  receive_call(1);
  shard.answer(0, as_answer(std::vector<char>(unread)));
  settle();
  receive(fd, test::frame_header(2 * piece));
  receive(fd, std::vector<char>(piece)); // for which there is no room beside the answer
  set_log_writer(nullptr);
  EXPECT_TRUE(is_closed(fd));
  EXPECT_THAT(lines, testing::HasSubstr(fmt::format(
                         "does not read its answers, {} bytes wait, and calls and answers that "
                         "wait hold {} of {} bytes",
                         unread, unread, piece + unread / 2)));
}

} // namespace
} // namespace larql::actors
