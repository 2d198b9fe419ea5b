// Mirrors actors/session/session_service.hpp and session_client.hpp: the actor and its thread, as
// front ends see them.

#include "actors/session/session_service.hpp"

#include "actors/core/system.hpp"
#include "tests/actors/session/session_fixture.hpp"
#include "tests/support/fake_experts.hpp"
#include "tests/support/random_weights.hpp"
#include "tests/support/temporary_directory.hpp"

#include <condition_variable>
#include <thread>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::answer_of;
using test::heard;
using test::ids;
using test::succeeds;
using enum generate::end_reason;

/// What is heard, for a thread that waits for it.
class listener {
public:
  event_fn events() {
    return [s = shared_](session_event e) {
      const auto lock = std::scoped_lock{s->mutex};
      s->got.take(std::move(e));
      s->changed.notify_all();
    };
  }
  template <class Enough>
  heard wait(Enough enough) {
    auto lock = std::unique_lock{shared_->mutex};
    EXPECT_TRUE(shared_->changed.wait_for(lock, 60s, [&] { return enough(shared_->got); }));
    return shared_->got;
  }
  heard wait_for_end() {
    return wait([](const heard& h) { return h.ends.contains(0); });
  }
  heard wait_for_tokens(std::size_t n) {
    return wait([n](const heard& h) { return h.tokens.contains(0) && h.tokens.at(0).size() >= n; });
  }

private:
  struct shared {
    std::mutex mutex;
    std::condition_variable changed;
    heard got;
  };
  std::shared_ptr<shared> shared_ = std::make_shared<shared>();
};

class SessionService : public test::session_fixture {
protected:
  void start() { start(model_->port()); }
  void start(experts::expert_port& port) {
    auto s = session_service::start(sys_, model_->model(), model_->compute(), port, options_);
    ASSERT_TRUE(succeeds(s));
    service_ = *std::move(s);
  }
  [[nodiscard]] session_client client() const { return service_->client(); }

  system_config config_;
  caf::actor_system sys_{config_};
  std::unique_ptr<session_service> service_;
};

TEST_F(SessionService, AnswersARequest) {
  const auto want = alone(text(30), answer_of(10));
  start();
  auto l = listener{};
  const auto got = client().generate(request(text(30), {answer_of(10)}), l.events());
  ASSERT_FALSE(got.refused);
  const auto h = l.wait_for_end();
  EXPECT_EQ(h.tokens.at(0), want);
  EXPECT_EQ(h.reason(), max_tokens);
}

TEST_F(SessionService, EightClientsAtATimeGetTheTokensThatEachGetsAlone) {
  const auto prompt = [](unsigned i) { return text(10 + 13 * i, i); };
  const auto options = [](unsigned i) { return answer_of(15, i % 2 == 0 ? 0.0f : 1.0f, i); };
  auto want = std::vector<ids>{};
  for (auto i = 0u; i < 8; ++i)
    want.push_back(alone(prompt(i), options(i)));
  start();
  auto threads = std::vector<std::jthread>{};
  for (auto i = 0u; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (auto round = 0; round < 3; ++round) {
        auto l = listener{};
        const auto got =
            client().generate(request(prompt(i), {options(i)}, fmt::format("{}", i)), l.events());
        EXPECT_FALSE(got.refused);
        if (round == 1 && i % 3 == 0)
          continue; // the handle goes: cancelled
        EXPECT_EQ(l.wait_for_end().tokens.at(0), want[i]);
      }
    });
  threads.clear();
  client().drain(60s);
  EXPECT_EQ(client().status()->requests, 24u);
}

TEST_F(SessionService, DroppingTheHandleCancels) {
  start();
  auto l = listener{};
  {
    auto got = client().generate(request(text(30), {answer_of(500)}), l.events());
    l.wait_for_tokens(3);
  }
  EXPECT_EQ(l.wait_for_end().reason(), stopped);
  EXPECT_EQ(client().status()->cancelled, 1u);
}

TEST_F(SessionService, ADetachedRequestGoesOn) {
  start();
  auto l = listener{};
  client().generate(request(text(30), {answer_of(20)}), l.events()).answer.detach();
  EXPECT_EQ(l.wait_for_end().reason(), max_tokens);
}

TEST_F(SessionService, APausedRequestIsCancelledAfterTheLongestPause) {
  options_.limits.longest_pause = 20ms;
  start();
  auto l = listener{};
  auto got = client().generate(request(text(30), {answer_of(550)}), l.events());
  l.wait_for_tokens(3);
  got.answer.pause();
  const auto h = l.wait_for_end();
  EXPECT_EQ(h.reason(), stopped);
  EXPECT_LT(h.tokens.at(0).size(), 550u);
}

TEST_F(SessionService, APausedRequestThatIsResumedGivesItsTokens) {
  const auto want = alone(text(30), answer_of(100));
  start();
  auto l = listener{};
  auto got = client().generate(request(text(30), {answer_of(100)}), l.events());
  got.answer.pause();
  got.answer.resume();
  EXPECT_EQ(l.wait_for_end().tokens.at(0), want);
}

TEST_F(SessionService, SaysWhichBoundARequestExceeds) {
  options_.limits.running = 1;
  options_.limits.waiting = 1;
  options_.limits.sessions = 1;
  start();
  const auto c = client();
  auto heard_of = listener{};
  EXPECT_EQ(c.generate(request(text(601), {answer_of(1)}), heard_of.events()).refused->kind,
            refusal_kind::too_long);
  EXPECT_EQ(c.generate(request({200}, {answer_of(1)}), heard_of.events()).refused->kind,
            refusal_kind::invalid);
  const auto a = c.generate(request(text(30), {answer_of(500)}), {});
  const auto b = c.generate(request(text(30), {answer_of(500)}), {});
  const auto full = c.generate(request(text(30), {answer_of(1)}), heard_of.events());
  ASSERT_TRUE(full.refused);
  EXPECT_EQ(full.refused->kind, refusal_kind::queue_full);
  EXPECT_GE(full.refused->retry_after, 1s);
  const auto s = c.open("");
  EXPECT_FALSE(s.refused);
  EXPECT_EQ(c.open("").refused->kind, refusal_kind::too_many_sessions);
  EXPECT_EQ(c.status()->refused, 4u);
}

TEST_F(SessionService, ASessionIsItsClientsAndTakesOneRequestAtATime) {
  start();
  const auto c = client();
  const auto opened = c.open("alice");
  ASSERT_FALSE(opened.refused);
  auto l = listener{};
  auto r = request(text(30), {answer_of(500)}, "alice");
  r.session = opened.id;
  auto first = c.generate(std::move(r), l.events());
  ASSERT_FALSE(first.refused);
  const auto ask = [&](const char* who) {
    auto again = request(text(3), {answer_of(1)}, who);
    again.session = opened.id;
    return c.generate(std::move(again), {});
  };
  EXPECT_EQ(ask("alice").refused->kind, refusal_kind::busy_session);
  EXPECT_EQ(ask("bob").refused->kind, refusal_kind::unknown_session);
  c.close(opened.id);
  EXPECT_EQ(l.wait_for_end().reason(), stopped);
  EXPECT_EQ(ask("alice").refused->kind, refusal_kind::unknown_session);
}

TEST_F(SessionService, AppendingReadsAheadAndTheAnswerReadsTheRest) {
  const auto want = alone(joined(text(200), text(9, 2)), answer_of(5));
  start();
  const auto c = client();
  const auto session = c.open("").id;
  auto l = listener{};
  auto ahead = request(text(200), {answer_of(9)}); // appending wants no answers
  ahead.session = session;
  const auto appended = c.append(std::move(ahead), l.events());
  ASSERT_FALSE(appended.refused);
  EXPECT_EQ(l.wait_for_end().reason(), none);
  auto m = listener{};
  auto rest = request(text(9, 2), {answer_of(5)});
  rest.session = session;
  // The actor may hear of the end later than we do.
  auto got = admission{};
  for (;;) {
    got = c.generate(rest, m.events());
    if (!got.refused || got.refused->kind != refusal_kind::busy_session)
      break;
  }
  const auto h = m.wait_for_end();
  EXPECT_EQ(h.tokens.at(0), want);
  EXPECT_EQ(h.ends.at(0).stats.prompt_tokens, 9u);
}

TEST_F(SessionService, DrainingLetsWhatRunsEndAndAdmitsNothing) {
  start();
  auto l = listener{};
  const auto got = client().generate(request(text(30), {answer_of(50)}), l.events());
  client().drain(60s);
  EXPECT_EQ(l.wait_for_end().reason(), max_tokens);
  EXPECT_EQ(client().generate(request(text(3), {answer_of(1)}), {}).refused->kind,
            refusal_kind::ending);
}

TEST_F(SessionService, DrainingCutsWhatTakesLonger) {
  options_.limits.longest_pause = 10min;
  start();
  auto l = listener{};
  auto got = client().generate(request(text(30), {answer_of(500)}), l.events());
  l.wait_for_tokens(1);
  got.answer.pause(); // it would never end
  client().drain(30ms);
  EXPECT_EQ(l.wait_for_end().reason(), stopped);
}

TEST_F(SessionService, EndingTheServiceEndsWhatRuns) {
  start();
  auto l = listener{};
  auto got = client().generate(request(text(30), {answer_of(550)}), l.events());
  const auto c = client();
  l.wait_for_tokens(1);
  service_.reset();
  EXPECT_EQ(l.wait_for_end().reason(), stopped);
  EXPECT_TRUE(c.generate(request(text(3), {answer_of(1)}), {}).refused) << "nobody is there";
  EXPECT_EQ(c.status(), nullptr);
}

/// Experts that never answer: whoever waits for them does so until it is stopped.
class absent_experts final : public experts::expert_port {
public:
  explicit absent_experts(experts::expert_port& real) : real_(real) {}
  result<experts::expert_ticket> start(const experts::expert_batch& batch,
                                       experts::ready_fn on_ready = {}) override {
    LARQL_TRY(auto real, real_.start(batch, std::move(on_ready)));
    return experts::expert_ticket{*new work{std::move(real)}};
  }

private:
  class work final : public test::wrapped_work {
  public:
    using wrapped_work::wrapped_work;
    bool is_ready() const noexcept override { return false; }
    result<void> wait(std::span<std::int64_t>, const std::stop_token& stop) override {
      auto mutex = std::mutex{};
      auto stopped = std::condition_variable_any{};
      auto lock = std::unique_lock{mutex};
      stopped.wait(lock, stop, [] { return false; });
      return fail(errc::cancelled, "stopped while waiting");
    }
  };
  experts::expert_port& real_;
};

TEST_F(SessionService, AWaitForExpertsEndsWhenAllWhoWaitAreCancelled) {
  auto port = absent_experts{model_->port()};
  start(port);
  auto a = listener{}, b = listener{};
  auto first = client().generate(request(text(30), {answer_of(5)}), a.events());
  auto second = client().generate(request(text(20), {answer_of(5)}), b.events());
  first.answer.cancel();
  second.answer.cancel();
  EXPECT_EQ(a.wait_for_end().reason(), stopped);
  EXPECT_EQ(b.wait_for_end().reason(), stopped);
  service_.reset();
}

TEST_F(SessionService, PromptsOutliveTheProcessOnDisk) {
  const auto dir = test::temporary_directory{};
  const auto prompt = joined(text(400), text(10, 2));
  const auto want = alone(prompt, answer_of(5));
  options_.disk.dir = dir / "prompts";
  options_.identity = {"w", "t", "exact"};
  for (const auto cached : {0u, 400u}) {
    start();
    auto l = listener{};
    auto r = request(cached == 0 ? joined(text(400), text(30, 3)) : prompt, {answer_of(5)});
    r.hints.system_end = 400;
    const auto got = client().generate(std::move(r), l.events());
    const auto h = l.wait_for_end();
    EXPECT_EQ(h.ends.at(0).cached_tokens, cached);
    if (cached != 0) {
      EXPECT_EQ(h.tokens.at(0), want);
      EXPECT_EQ(client().status()->disk_hits, 1u);
    }
    service_.reset();
  }
}

// ---- files of sessions --------------------------------------------------------------------------

class SessionFile : public SessionService {
protected:
  static inline const auto identity = cache_identity{"w", "t", "exact"};

  /// An answer in a session, of which `keep` tokens stay.
  heard answer_in(session_id session, const ids& tokens, std::uint32_t keep = ~0u) {
    auto l = listener{};
    auto r = request(tokens, {answer_of(5)});
    r.session = session;
    r.keep = keep;
    const auto got = client().generate(std::move(r), l.events());
    EXPECT_FALSE(got.refused);
    return l.wait_for_end();
  }

  test::temporary_directory dir_;
  std::filesystem::path file_ = dir_ / "talk.kv";
};

TEST_F(SessionFile, ASavedSessionGoesOnInAnotherServiceAndReadsOnlyWhatIsNew) {
  const auto prompt = text(300);
  const auto want = alone(joined(prompt, text(9, 2)), answer_of(5));
  start();
  const auto session = client().open("").id;
  (void) answer_in(session, prompt);
  const auto saved = service_->save_session(session, 300, file_, identity);
  ASSERT_TRUE(succeeds(saved));
  EXPECT_EQ(*saved, 300u);
  service_.reset();

  start();
  const auto other = client().open("").id;
  const auto loaded = service_->load_session(other, file_, identity);
  ASSERT_TRUE(succeeds(loaded));
  EXPECT_EQ(*loaded, prompt);
  const auto h = answer_in(other, text(9, 2));
  EXPECT_EQ(h.tokens.at(0), want);
  EXPECT_EQ(h.ends.at(0).stats.prompt_tokens, 9u);
}

TEST_F(SessionFile, ASessionThatHoldsNothingMakesNoFile) {
  start();
  const auto saved = service_->save_session(client().open("").id, 300, file_, identity);
  ASSERT_TRUE(succeeds(saved));
  EXPECT_EQ(*saved, 0u);
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(SessionFile, AnotherModelsFileIsRefusedAndTheSessionIsOfUse) {
  const auto want = alone(text(20), answer_of(5));
  start();
  const auto session = client().open("").id;
  (void) answer_in(session, text(300));
  ASSERT_TRUE(succeeds(service_->save_session(session, 300, file_, identity)));
  const auto other = client().open("").id;
  const auto loaded = service_->load_session(other, file_, {"another", "t", "exact"});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, errc::mismatch);
  EXPECT_EQ(answer_in(other, text(20)).tokens.at(0), want);
}

} // namespace
} // namespace larql::actors
