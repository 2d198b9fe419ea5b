// Mirrors actors/laptop/remote_session.hpp: a laptop and nodes in one process, on a virtual network
// and clock. Whatever is lost, the answer is the one that a service of the laptop's own would give.

#include "actors/laptop/remote_session.hpp"

#include "tests/actors/node/fake_place.hpp"
#include "tests/support/failures.hpp"

#include <algorithm>
#include <deque>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using ids = std::vector<std::uint32_t>;

/// What a client hears of a request.
struct heard {
  ids tokens;
  std::vector<prompt_progress> progress;
  std::optional<answer_end> end;
  std::size_t ends = 0;

  void take(session_event e) {
    if (auto* p = std::get_if<prompt_progress>(&e))
      progress.push_back(*p);
    else if (auto* s = std::get_if<answer_step>(&e))
      tokens.insert(tokens.end(), s->given.tokens.begin(), s->given.tokens.end());
    else if (auto* last = std::get_if<answer_end>(&e)) {
      end = std::move(*last);
      ++ends;
    }
  }
};

class RemoteSession : public test::deterministic_system {
protected:
  RemoteSession() {
    options.places = {{"alpha", 9470, false}, {"beta", 9470, false}};
    options.identity = test::common_identity();
    options.dial = [this](std::uint64_t attempt, const topology::shard_url& url) {
      dialled.push_back({attempt, url.host});
    };
    options.on_news = [this](const std::string& n) { news.push_back(n); };
  }
  ~RemoteSession() override {
    caf::anon_send_exit(remote, caf::exit_reason::user_shutdown);
    remote = nullptr;
    settle();
    alpha.end();
    beta.end();
    own.end();
    settle();
  }

  void start() {
    alpha.start(sys);
    beta.start(sys);
    remote = spawn_broker<remote_session_state>(sys, options);
    settle();
  }
  /// The laptop's last attempt to dial succeeds.
  void connect(test::fake_place& place) {
    ASSERT_FALSE(dialled.empty());
    const auto attempt = dialled.back().first;
    laptop_fd = ++next_fd;
    node_fd = ++next_fd;
    place.connect(sys, virtual_connection(node_fd));
    auto outcome = std::make_shared<connect_result>();
    outcome->node = description_ptr{place.description};
    outcome->connection = virtual_connection(laptop_fd);
    caf::anon_send(remote, dialled_atom::value, attempt, std::move(outcome));
    settle();
    pump();
  }
  /// It does not.
  void refuse(errc code = errc::unavailable) {
    ASSERT_FALSE(dialled.empty());
    auto outcome = std::make_shared<connect_result>();
    outcome->node = fail(code, "connect: refused");
    caf::anon_send(remote, dialled_atom::value, dialled.back().first, std::move(outcome));
    settle();
  }
  /// Carries bytes until there are none.
  void pump() {
    for (auto moved = true; std::exchange(moved, false);) {
      if (const auto up = sent(laptop_fd); !up.empty() && !is_cut) {
        receive(node_fd, up);
        moved = true;
      }
      if (const auto down = sent(node_fd); !down.empty() && !is_cut) {
        receive(laptop_fd, down);
        moved = true;
      }
    }
  }
  void give(test::fake_place& place, std::size_t tokens = 1) {
    for (auto i = std::size_t{0}; i < tokens; ++i) {
      place.service.give();
      settle();
      pump();
    }
  }
  /// A node says that it is about to leave.
  void leave(test::fake_place& place) {
    caf::anon_send(place.desk, notice_atom::value, schema::node_state::draining);
    settle();
    pump();
  }
  /// The connection breaks; both sides know.
  void cut() {
    lose(laptop_fd);
    lose(node_fd);
    settle();
  }

  struct asked {
    std::shared_ptr<reply<session_reply_ptr>> admission;
    std::shared_ptr<heard> got = std::make_shared<heard>();
    [[nodiscard]] std::uint64_t id() const { return (*admission->value)->id; }
  };
  asked ask_for(ids prompt, std::size_t tokens = 6, session_id session = 0,
                std::uint32_t keep = ~0u) {
    auto out = asked{};
    auto call = std::make_shared<session_call>();
    call->request.tokens = std::move(prompt);
    call->request.session = session;
    call->request.keep = keep;
    auto o = generate::generation_options{};
    o.max_tokens = tokens;
    call->request.answers.emplace_back(std::move(o));
    call->on_event = [got = out.got](session_event e) { got->take(std::move(e)); };
    out.admission = ask<session_reply_ptr>(remote, generate_atom::value, session_call_ptr{call});
    pump();
    return out;
  }
  static ids alone(ids prompt, std::size_t tokens = 6) {
    auto out = ids{};
    for (auto i = std::size_t{0}; i < tokens; ++i) {
      out.push_back(test::token_behind(prompt));
      prompt.push_back(out.back());
    }
    return out;
  }
  /// Another process of the node takes the session, and gives the three tokens that lack.
  void expect_rest_from_a_new_alpha(const asked& a) {
    auto again = test::fake_place{"alpha", 3};
    again.start(sys);
    connect(again);
    give(again, 3);
    expect_whole(a, {5, 6, 7});
    again.end();
  }
  void expect_whole(const asked& a, const ids& prompt, std::size_t tokens = 6) {
    EXPECT_EQ(a.got->tokens, alone(prompt, tokens));
    ASSERT_EQ(a.got->ends, 1u);
    EXPECT_FALSE(a.got->end->failed) << a.got->end->failed->text;
    EXPECT_EQ(a.got->end->reason, generate::end_reason::max_tokens);
    EXPECT_EQ(a.got->end->prompt_tokens, prompt.size());
  }

  remote_session_options options;
  test::fake_place alpha{"alpha", 1}, beta{"beta", 2};
  test::fake_service own;
  std::vector<std::pair<std::uint64_t, std::string>> dialled;
  std::vector<std::string> news;
  remote_session_actor remote;
  int next_fd = 3000, laptop_fd = 0, node_fd = 0;
  bool is_cut = false;
};

TEST_F(RemoteSession, GivesWhatAServiceOfThisProcessWouldGive) {
  start();
  const auto opened = ask<session_reply_ptr>(remote, start_atom::value);
  ASSERT_EQ(dialled.size(), 1u);
  connect(alpha);
  ASSERT_TRUE(opened->value);
  EXPECT_EQ((*opened->value)->id, 200u) << "the context of the node";
  EXPECT_EQ(news, std::vector<std::string>{"prompt and text are processed at alpha (alpha:9470)"});
  const auto a = ask_for({5, 6, 7});
  ASSERT_TRUE(a.admission->value);
  EXPECT_FALSE((*a.admission->value)->refused);
  give(alpha, 6);
  expect_whole(a, {5, 6, 7});
}

TEST_F(RemoteSession, ADifferenceIsNamedAndNothingIsAsked) {
  options.places.resize(1);
  alpha.host->identity.head[1] = std::byte{7};
  start();
  const auto opened = ask<session_reply_ptr>(remote, start_atom::value);
  connect(alpha);
  ASSERT_TRUE(opened->value);
  ASSERT_TRUE((*opened->value)->refused);
  EXPECT_NE((*opened->value)->refused->error.text.find("another head or embeddings"),
            std::string::npos)
      << (*opened->value)->refused->error.text;
  EXPECT_TRUE(alpha.service.prompts().empty());
}

TEST_F(RemoteSession, TakesTheNextPlaceIfTheFirstTakesNone) {
  alpha.description->sessions = 0;
  start();
  const auto opened = ask<session_reply_ptr>(remote, start_atom::value);
  connect(alpha);
  ASSERT_EQ(dialled.back().second, "beta");
  refuse();
  ASSERT_TRUE(opened->value);
  ASSERT_TRUE((*opened->value)->refused);
  const auto& text = (*opened->value)->refused->error.text;
  EXPECT_NE(text.find("alpha (alpha:9470): it takes no sessions"), std::string::npos) << text;
  EXPECT_NE(text.find("beta:9470: connect: refused"), std::string::npos) << text;
}

TEST_F(RemoteSession, ALostLinkIsNoLostNode) {
  start();
  const auto a = ask_for({5, 6, 7});
  connect(alpha);
  give(alpha, 2);
  cut();
  give(alpha, 2); // the node goes on
  EXPECT_EQ(a.got->tokens.size(), 2u);
  refuse(errc::deadline);
  advance(20s);
  connect(alpha);
  EXPECT_EQ(a.got->tokens.size(), 4u) << "what came meanwhile";
  give(alpha, 2);
  expect_whole(a, {5, 6, 7});
  EXPECT_EQ(alpha.service.prompts().size(), 1u) << "nothing is read again";
}

class RemoteSessionAt : public RemoteSession, public testing::WithParamInterface<unsigned> {};

TEST_P(RemoteSessionAt, TheLinkIsLost) {
  start();
  const auto a = ask_for({5, 6, 7});
  connect(alpha);
  give(alpha, GetParam());
  cut();
  connect(alpha);
  give(alpha, 6);
  expect_whole(a, {5, 6, 7});
}

TEST_P(RemoteSessionAt, TheNodeIsLost) {
  start();
  const auto a = ask_for({5, 6, 7});
  connect(alpha);
  give(alpha, GetParam());
  cut();
  alpha.end();
  refuse();
  for (auto i = 0; i < 100 && dialled.back().second == "alpha"; ++i) {
    advance(1s);
    if (dialled.back().second == "alpha")
      refuse();
  }
  ASSERT_EQ(dialled.back().second, "beta") << "within seconds, as the address refuses";
  connect(beta);
  give(beta, 6);
  expect_whole(a, {5, 6, 7});
  auto read = ids{5, 6, 7};
  const auto given = alone({5, 6, 7}, GetParam());
  read.insert(read.end(), given.begin(), given.end());
  if (GetParam() < 6) {
    EXPECT_EQ(beta.service.prompts().at(0), read) << "goes on from what was given";
  }
}

INSTANTIATE_TEST_SUITE_P(AfterTokens, RemoteSessionAt, testing::Values(0u, 1u, 2u, 5u));

TEST_F(RemoteSession, ANodeThatStartsAnewIsAskedAnew) {
  start();
  const auto a = ask_for({5, 6, 7});
  connect(alpha);
  give(alpha, 3);
  cut();
  alpha.end();
  settle();
  expect_rest_from_a_new_alpha(a);
}

TEST_F(RemoteSession, ANodeThatLeavesIsLeftAtOnce) {
  start();
  const auto a = ask_for({5, 6, 7});
  connect(alpha);
  give(alpha, 3);
  leave(alpha);
  ASSERT_EQ(dialled.back().second, "beta");
  connect(beta);
  give(beta, 3);
  expect_whole(a, {5, 6, 7});
  EXPECT_NE(news.back().find("going on at beta (beta:9470), where 6 tokens are read again"),
            std::string::npos)
      << news.back();
}

TEST_F(RemoteSession, TheOnlyNodeIsWaitedForWhileItStartsAnew) {
  options.places.resize(1);
  start();
  const auto a = ask_for({5, 6, 7});
  connect(alpha);
  give(alpha, 3);
  leave(alpha);
  EXPECT_EQ(a.got->ends, 0u);
  alpha.end();
  advance(1s);
  refuse();
  advance(5s);
  expect_rest_from_a_new_alpha(a);
}

TEST_F(RemoteSession, ReadingAgainShowsProgress) {
  start();
  const auto a = ask_for({5, 6, 7});
  connect(alpha);
  give(alpha, 3);
  leave(alpha);
  connect(beta);
  beta.service.read(4);
  settle();
  pump();
  ASSERT_FALSE(a.got->progress.empty());
  EXPECT_EQ(a.got->progress.back().tokens, 4u);
  EXPECT_EQ(a.got->progress.back().total, 6u);
}

TEST_F(RemoteSession, WithoutANodeThisMachineGoesOn) {
  options.places.resize(1);
  auto starts = 0;
  options.start_own = [&] {
    ++starts;
    auto service = std::make_shared<own_service>();
    service->service = own.spawn(sys);
    caf::anon_send(remote, start_atom::value, own_service_ptr{std::move(service)});
  };
  start();
  const auto a = ask_for({5, 6, 7});
  connect(alpha);
  give(alpha, 2);
  cut();
  alpha.end();
  for (auto i = 0; i < 20 && starts == 0; ++i) {
    refuse();
    advance(2s);
  }
  ASSERT_EQ(starts, 1);
  own.give();
  settle();
  for (auto i = 0; i < 5; ++i) {
    own.give();
    settle();
  }
  expect_whole(a, {5, 6, 7});
  EXPECT_EQ(own.prompts().at(0).size(), 5u);
}

TEST_F(RemoteSession, WithoutAnyPlaceAnswersEndAndTheNextOneTriesAgain) {
  options.places.resize(1);
  start();
  const auto a = ask_for({5, 6, 7});
  connect(alpha);
  give(alpha, 2);
  cut();
  for (auto i = 0; i < 100 && a.got->ends == 0; ++i) {
    refuse(errc::deadline);
    advance(2s);
  }
  ASSERT_EQ(a.got->ends, 1u) << "when the node has forgotten the session";
  ASSERT_TRUE(a.got->end->failed);
  EXPECT_EQ(a.got->end->failed->code, errc::unavailable);
  EXPECT_EQ(a.got->tokens, alone({5, 6, 7}, 2)) << "what came stays valid";
  const auto dials = dialled.size();
  const auto b = ask_for({9});
  EXPECT_EQ(dialled.size(), dials + 1);
}

TEST_F(RemoteSession, CancelsWhatIsNotWanted) {
  start();
  const auto a = ask_for({5, 6, 7}, 100);
  connect(alpha);
  give(alpha, 2);
  caf::anon_send(remote, cancel_atom::value, a.id());
  settle();
  pump();
  ASSERT_EQ(a.got->ends, 1u);
  EXPECT_EQ(a.got->end->reason, generate::end_reason::stopped);
  EXPECT_EQ(alpha.service.running(), 0u);
}

TEST_F(RemoteSession, ACancelledAnswerDoesNotWaitForALostLink) {
  start();
  const auto a = ask_for({5, 6, 7}, 100);
  connect(alpha);
  give(alpha, 2);
  cut();
  caf::anon_send(remote, cancel_atom::value, a.id());
  settle();
  ASSERT_EQ(a.got->ends, 1u);
  EXPECT_EQ(a.got->end->reason, generate::end_reason::stopped);
  connect(alpha);
  EXPECT_EQ(alpha.service.running(), 0u) << "the node hears of it when it is there again";
}

TEST_F(RemoteSession, AConversationGoesOnFromItsTokens) {
  start();
  const auto opened = ask<session_reply_ptr>(remote, open_atom::value, std::string{});
  const auto talk = (*opened->value)->id;
  const auto first = ask_for({5, 6}, 3, talk);
  connect(alpha);
  give(alpha, 3);
  ASSERT_EQ(first.got->ends, 1u);
  const auto second = ask_for({9}, 2, talk, 4); // two of the prompt, two of the answer
  auto whole = ids{5, 6};
  const auto said = alone({5, 6}, 2);
  whole.insert(whole.end(), said.begin(), said.end());
  whole.push_back(9);
  EXPECT_EQ(alpha.service.prompts().at(1), whole);
  give(alpha, 2);
  EXPECT_EQ(second.got->tokens, alone(whole, 2));
}

TEST_F(RemoteSession, WhatTheNodeRefusesIsRefused) {
  start();
  const auto a = ask_for(ids(201, 5));
  connect(alpha);
  ASSERT_TRUE(a.admission->value);
  ASSERT_TRUE((*a.admission->value)->refused);
  EXPECT_EQ((*a.admission->value)->refused->kind, refusal_kind::too_long);
  EXPECT_EQ(a.got->ends, 0u) << "nothing is sent for a request that was refused";
}

TEST_F(RemoteSession, MoreAnswersThanTheNodeComputesWait) {
  alpha.limits.sequences = 1;
  start();
  const auto a = ask_for({5}, 2), b = ask_for({6}, 2);
  connect(alpha);
  ASSERT_TRUE(a.admission->value);
  ASSERT_TRUE(b.admission->value);
  EXPECT_FALSE((*b.admission->value)->refused);
  EXPECT_EQ(alpha.service.prompts().size(), 1u);
  give(alpha, 2);
  EXPECT_EQ(alpha.service.prompts().size(), 2u);
  give(alpha, 2);
  expect_whole(a, {5}, 2);
  expect_whole(b, {6}, 2);
}

TEST_F(RemoteSession, ASilentNodeIsALostLink) {
  start();
  const auto a = ask_for({5, 6, 7});
  connect(alpha);
  give(alpha, 2);
  is_cut = true; // nothing arrives, nobody is told
  const auto dials = dialled.size();
  for (auto i = 0; i < 7; ++i)
    advance(1s);
  EXPECT_GT(dialled.size(), dials);
  is_cut = false;
  connect(alpha);
  give(alpha, 4);
  expect_whole(a, {5, 6, 7});
}

TEST_F(RemoteSession, AnEndHoldsWhatAServiceOfThisProcessWouldSay) {
  start();
  const auto a = ask_for({5, 6, 7}, 2);
  connect(alpha);
  give(alpha, 2);
  ASSERT_EQ(a.got->ends, 1u);
  EXPECT_TRUE(a.got->end->answer);
  EXPECT_EQ(a.got->end->answer->tokens(), 2u);
  EXPECT_EQ(a.got->end->stats.tokens, 2u);
  EXPECT_EQ(a.got->end->stats.token_times.size(), 1u);
}

} // namespace
} // namespace larql::actors
