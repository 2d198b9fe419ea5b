// Mirrors actors/node/session_desk.hpp, through the connections of laptops. The test is the
// laptops.

#include "actors/node/session_desk.hpp"

#include "tests/actors/node/fake_place.hpp"

#include <algorithm>

namespace larql::actors {
namespace {

using test::frame_of;
using namespace std::chrono_literals;

class SessionDesk : public test::deterministic_system {
protected:
  ~SessionDesk() override {
    place.end();
    settle();
  }
  void start() { place.start(sys); }
  /// A laptop connects; returns the number of its connection.
  int connect(peer_identity who = {}) {
    place.connect(sys, virtual_connection(++fd_), std::move(who));
    settle();
    return fd_;
  }
  void say(int fd, schema::session_message m) { receive(fd, frame_of(std::move(m))); }
  std::vector<std::string> heard(int fd) { return test::texts_of(sent(fd)); }

  static schema::session_key id(unsigned n = 1) {
    auto out = schema::session_key{};
    out[0] = static_cast<std::byte>(n);
    return out;
  }
  static std::string name(unsigned n = 1) { return "session " + test::digits_of(id(n)) + " "; }
  /// Opens a session over a connection of its own.
  int open(peer_identity who = {}) {
    const auto fd = connect(std::move(who));
    say(fd, {{}, test::common_identity()});
    return fd;
  }
  static schema::session_ask ask(std::uint64_t number, std::vector<std::uint32_t> tokens,
                                 std::uint64_t most = 3) {
    auto out = schema::session_ask{};
    out.id = number;
    out.tokens = std::move(tokens);
    out.answers.emplace_back().max_tokens = most;
    return out;
  }
  void order(int fd, std::uint64_t number, decltype(schema::session_order::what) what,
             unsigned session = 1) {
    say(fd, {id(session), schema::session_order{number, std::move(what)}});
  }
  void give(std::size_t tokens = 1) {
    place.service.give(tokens);
    settle();
  }
  static bool has(const std::vector<std::string>& all, std::string_view part) {
    return std::any_of(all.begin(), all.end(),
                       [&](const auto& t) { return t.find(part) != std::string::npos; });
  }
  std::uint32_t open_sessions() { return place.counters->sessions.load(); }

  test::fake_place place;

private:
  int fd_ = 2000;
};

TEST_F(SessionDesk, OpensASessionAndSaysWhatItMay) {
  start();
  const auto all = heard(open());
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0], name() + "opened received=0 context=200 sequences=8 kv=0 kept=60000");
  EXPECT_EQ(open_sessions(), 1u);
  EXPECT_EQ(place.starts, 1);
}

TEST_F(SessionDesk, NamesWhatDiffersAndRefuses) {
  start();
  auto other = test::common_identity();
  other.chat_template[3] = std::byte{9};
  const auto fd = connect();
  say(fd, {{}, other});
  EXPECT_TRUE(has(heard(fd), "session new closed code=1 text=another chat template: 00000001"));
  other = test::common_identity();
  other.kv = schema::session_kv::f32;
  say(fd, {{}, other});
  EXPECT_TRUE(has(heard(fd), "format of keys and values (--kv): f16 on the node, f32 on the"));
  EXPECT_EQ(open_sessions(), 0u);
}

TEST_F(SessionDesk, TakesOnlyWhoseCertificateAllowsSessions) {
  start();
  EXPECT_TRUE(has(heard(open({peer_role::laptop, "ann"})), "closed code=2 text=the certificate"));
  EXPECT_TRUE(has(heard(open({peer_role::laptop, "ann", {}, {true, false}})), "opened"));
}

TEST_F(SessionDesk, AnswersWithNumberedEvents) {
  start();
  const auto fd = open();
  (void) heard(fd);
  order(fd, 1, ask(1, {5, 6}, 2));
  EXPECT_EQ(place.service.prompts().at(0), (std::vector<std::uint32_t>{5, 6}));
  EXPECT_EQ(heard(fd), std::vector{name() + "event 1 request=1 received=1 admitted"});
  give(2);
  const auto all = heard(fd);
  ASSERT_EQ(all.size(), 3u);
  const auto first = test::token_behind(std::vector<std::uint32_t>{5, 6});
  EXPECT_EQ(all[0],
            name() +
                fmt::format("event 2 request=1 received=1 step choice=0 tokens={} text=", first));
  EXPECT_TRUE(all[2].starts_with(name() + "event 4 request=1 received=1 end choice=0 reason=3"));
}

TEST_F(SessionDesk, GoesOnAtTheNextEventOverAnotherConnection) {
  start();
  const auto fd = open();
  order(fd, 1, ask(1, {5, 6}, 5));
  give(2);
  (void) heard(fd);
  lose(fd);
  give(2); // meanwhile
  advance(59s);
  const auto again = connect();
  say(again, {id(), schema::session_resume{2}});
  const auto all = heard(again);
  ASSERT_EQ(all.size(), 4u) << "opened, and events 3 to 5";
  EXPECT_TRUE(all[0].starts_with(name() + "opened received=1"));
  EXPECT_TRUE(all[1].starts_with(name() + "event 3 "));
  EXPECT_TRUE(all[3].starts_with(name() + "event 5 "));
  order(again, 1, ask(1, {5, 6}, 5)); // it had come
  EXPECT_EQ(place.service.prompts().size(), 1u);
}

TEST_F(SessionDesk, ClosesASessionWhoseLaptopDoesNotComeBack) {
  start();
  const auto fd = open();
  order(fd, 1, ask(1, {5, 6}));
  lose(fd);
  advance(59s);
  EXPECT_EQ(open_sessions(), 1u);
  advance(2s);
  EXPECT_EQ(open_sessions(), 0u);
  EXPECT_EQ(place.service.running(), 0u) << "what it asked is cancelled";
  EXPECT_EQ(place.service.forgotten(), std::vector{test::digits_of(id()) + "/"});
  const auto again = connect();
  say(again, {id(), schema::session_resume{0}});
  EXPECT_TRUE(has(heard(again), "closed code=4"));
}

TEST_F(SessionDesk, BelongsToTheIdentityThatOpenedIt) {
  start();
  const auto ann = peer_identity{peer_role::laptop, "ann", {}, {true, false}};
  const auto bob = peer_identity{peer_role::laptop, "bob", {}, {true, false}};
  lose(open(ann));
  const auto fd = connect(bob);
  say(fd, {id(), schema::session_resume{0}});
  EXPECT_TRUE(has(heard(fd), "closed code=4 text=there is no such session"));
  order(fd, 1, ask(1, {5}));
  EXPECT_TRUE(place.service.prompts().empty());
  const auto again = connect(ann);
  say(again, {id(), schema::session_resume{0}});
  EXPECT_TRUE(has(heard(again), "opened"));
}

TEST_F(SessionDesk, GivesThePlaceOfAnAbsentLaptopToANewOne) {
  place.limits.sessions = 2;
  start();
  const auto first = open();
  (void) open();
  EXPECT_TRUE(has(heard(open()), "closed code=3 text=2 sessions are open, as many as may"));
  lose(first);
  EXPECT_TRUE(has(heard(open()), "opened"));
  EXPECT_EQ(open_sessions(), 2u);
}

TEST_F(SessionDesk, NobodyHasAllPlaces) {
  place.limits.sessions = 4;
  start();
  const auto ann =
      peer_identity{peer_role::laptop, "ann", std::chrono::system_clock::now(), {true, false}};
  const auto first = open(ann);
  (void) open(ann);
  EXPECT_TRUE(has(heard(open(ann)), "closed code=3 text=laptop ann has half of the 4 sessions"));
  lose(first);
  EXPECT_TRUE(has(heard(open(ann)), "opened")) << "in the place of its own";
  EXPECT_EQ(open_sessions(), 2u);
}

TEST_F(SessionDesk, AFloodOfOpenGetsNoMoreThanItsSessions) {
  start();
  const auto fd = connect();
  for (auto i = 0; i < 100; ++i)
    receive(fd, frame_of(schema::session_message{{}, test::common_identity()}));
  EXPECT_LE(open_sessions(), place.limits.sessions);
}

TEST_F(SessionDesk, RefusesWhatIsBeyondItsBounds) {
  place.limits.sequences = 2;
  start();
  const auto fd = open();
  (void) heard(fd);
  order(fd, 1, ask(1, std::vector<std::uint32_t>(201, 5)));
  EXPECT_TRUE(has(heard(fd), "refused kind=1 text=the prompt's 201 tokens do not fit"));
  order(fd, 2, ask(2, {5}, 9));
  order(fd, 3, ask(3, {5}, 9));
  EXPECT_EQ(heard(fd).size(), 2u) << "both are admitted";
  order(fd, 4, ask(4, {5}, 9));
  EXPECT_TRUE(has(heard(fd), "refused kind=2 text=2 answers of this session are computed"));
  auto many = ask(5, {5}, 9);
  many.answers.resize(3);
  order(fd, 5, many);
  EXPECT_TRUE(has(heard(fd), "refused kind=0 text=3 answers are asked for"));
}

TEST_F(SessionDesk, RefusesAnAnswerThatItsTokensDoNotEndWith) {
  start();
  const auto fd = open();
  (void) heard(fd);
  auto wrong = ask(1, {5, 6});
  wrong.answers[0].given = {7};
  order(fd, 1, wrong);
  EXPECT_TRUE(has(heard(fd), "refused kind=0 text=the tokens do not end with what was given"));
  auto hot = ask(2, {5, 6});
  hot.answers[0].temperature = -1;
  order(fd, 2, hot);
  EXPECT_TRUE(has(heard(fd), "refused kind=0 text=temperature"));
}

TEST_F(SessionDesk, GoesOnFromWhatWasGivenElsewhere) {
  start();
  const auto fd = open();
  auto rest = ask(1, {5, 6, 40, 41}, 3);
  rest.answers[0].given = {40, 41};
  order(fd, 1, rest);
  (void) heard(fd);
  give();
  const auto all = heard(fd);
  ASSERT_EQ(all.size(), 2u) << "one more token, then the limit of three";
  EXPECT_NE(all[1].find("reason=3"), std::string::npos);
}

TEST_F(SessionDesk, PausesALaptopThatAcknowledgesNothing) {
  start();
  const auto fd = open();
  order(fd, 1, ask(1, {5}, 10'000));
  give(event_log::pause_events + 200);
  EXPECT_EQ(place.service.paused(), 1u);
  say(fd, {id(), schema::session_acknowledge{event_log::pause_events}});
  EXPECT_EQ(place.service.paused(), 0u);
}

TEST_F(SessionDesk, ClosesASessionWhoseMessagesMakeNoSense) {
  start();
  auto fd = open();
  order(fd, 2, ask(1, {5})); // the first is missing
  EXPECT_TRUE(has(heard(fd), "closed code=6"));
  EXPECT_EQ(open_sessions(), 0u);
  fd = open();
  say(fd, {id(2), schema::session_acknowledge{1}});
  EXPECT_TRUE(has(heard(fd), "closed code=6"));
  fd = open();
  order(fd, 1, ask(2, {5}), 3);
  order(fd, 2, ask(2, {5}), 3); // the id is taken
  EXPECT_TRUE(has(heard(fd), "closed code=6"));
}

TEST_F(SessionDesk, CancelsWhatIsNotWantedAnyMore) {
  start();
  const auto fd = open();
  order(fd, 1, ask(1, {5}, 100));
  give(2);
  (void) heard(fd);
  order(fd, 2, schema::session_cancel{1});
  EXPECT_TRUE(has(heard(fd), "end choice=0 reason=5"));
  EXPECT_EQ(place.service.running(), 0u);
}

TEST_F(SessionDesk, ClosesIdleSessions) {
  start();
  const auto fd = open();
  (void) heard(fd);
  advance(29min);
  EXPECT_EQ(open_sessions(), 1u);
  advance(90s);
  EXPECT_TRUE(has(heard(fd), "closed code=7"));
}

TEST_F(SessionDesk, ADrainingNodeSendsItsLaptopsElsewhere) {
  start();
  const auto fd = open();
  (void) heard(fd);
  caf::anon_send(place.desk, notice_atom::value, schema::node_state::draining);
  settle();
  EXPECT_TRUE(has(heard(fd), "closed code=5"));
  EXPECT_TRUE(has(heard(open()), "closed code=5"));
}

TEST_F(SessionDesk, ClosingForgetsAtOnce) {
  start();
  const auto fd = open();
  order(fd, 1, ask(1, {5}));
  say(fd, {id(), schema::session_closed{}});
  EXPECT_EQ(open_sessions(), 0u);
  EXPECT_EQ(place.service.forgotten().size(), 1u);
}

TEST_F(SessionDesk, AServiceThatCannotStartIsTriedAgain) {
  place.host->failed = fail(errc::io, "no such file");
  start();
  const auto service = std::exchange(place.host->service, nullptr);
  EXPECT_TRUE(has(heard(open()), "closed code=8 text=the node cannot compute: no such file"));
  place.host->service = service;
  EXPECT_TRUE(has(heard(open()), "opened"));
  EXPECT_EQ(place.starts, 2);
}

} // namespace
} // namespace larql::actors
