// Mirrors actors/laptop/router_recovery.cpp: calls that fail, come late or never, and what the
// router does about them while somebody may still answer.

#include "tests/actors/laptop/router_fixture.hpp"

namespace larql::actors {
namespace {

using namespace test;

// ---- without anybody else to ask, and with nobody to wait for
// ---------------------------------------------

class RouterFailure : public router_fixture {};

TEST_F(RouterFailure, ARefusalFailsTheJobWithLayerAndExpertsNamed) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(6, 2, some_assignments()));
  answer_rightly(0);
  shards[1].fail(0, make_error(failure_code::overloaded, "node beta (10.0.0.1:1): too much"));
  settle();
  EXPECT_EQ(error_of(job), "layer 6, experts 4-7: node beta (10.0.0.1:1): too much");
  EXPECT_EQ(job->outcome().error().code, errc::unavailable);
}

TEST_F(RouterFailure, GoesOnAfterAFailure) {
  start({{0, 3}, {4, 7}});
  route(make_job(0, 2, some_assignments()));
  shards[0].fail(0, caf::sec::runtime_error);
  answer_rightly(1, 0);
  const auto next = route(make_job(0, 2, some_assignments()));
  answer_rightly(0, 1);
  answer_rightly(1, 1);
  EXPECT_EQ(next->sums, expected_sums(*next));
}

TEST_F(RouterFailure, ASilentShardFailsTheJobAtTheDeadlineAndNotBefore) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  advance(99ms);
  EXPECT_FALSE(is_done(job));
  advance(2ms);
  EXPECT_EQ(error_of(job), "layer 2, experts 4-7: node beta: no answer within 100 ms (beta:9470)");
  EXPECT_EQ(job->outcome().error().code, errc::deadline);
}

TEST_F(RouterFailure, TimeInWhichTheLaptopWasStoppedIsNobodysFault) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  stop_for(12s);
  EXPECT_FALSE(is_done(job));
  answer_rightly(0); // what has come meanwhile is read after the tick
  answer_rightly(1);
  EXPECT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job));
  EXPECT_EQ(job->stats.retries, 0u);
  EXPECT_LE(job->stats.slowest, 100ms);
}

TEST_F(RouterFailure, AShardThatStaysSilentAfterTheLaptopWasStoppedMissesItsDeadline) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  advance(50ms);
  stop_for(12s);
  advance(90ms);
  EXPECT_FALSE(is_done(job));
  advance(20ms);
  EXPECT_EQ(error_of(job), "layer 2, experts 4-7: node beta: no answer within 100 ms (beta:9470)");
}

TEST_F(RouterFailure, AShortStopIsNobodysFaultEither) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  advance(90ms);
  stop_for(60ms);
  EXPECT_FALSE(is_done(job));
  answer_rightly(0);
  answer_rightly(1);
  EXPECT_EQ(error_of(job), "no error");
}

TEST_F(RouterFailure, AnswersAfterTheDeadlineAreHarmless) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  advance(101ms);
  ASSERT_TRUE(is_done(job));
  const auto sums = job->sums;
  answer_rightly(0);
  answer_rightly(1);
  EXPECT_EQ(job->sums, sums);
  const auto next = route(make_job(2, 2, some_assignments()));
  answer_rightly(0, 1);
  answer_rightly(1, 1);
  EXPECT_EQ(next->sums, expected_sums(*next));
}

TEST_F(RouterFailure, AShardThatEndsInTheMiddleFailsTheJobWithItsName) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  shards[1].end();
  settle();
  advance(101ms); // an actor that ends without answering is noticed by the deadline
  EXPECT_NE(error_of(job).find("node beta"), std::string::npos) << error_of(job);
}

TEST_F(RouterFailure, AShardThatIsGoneFailsTheJobAtOnceWithItsName) {
  start({{0, 3}, {4, 7}});
  shards[1].end();
  settle();
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  EXPECT_EQ(error_of(job), "layer 2, experts 4-7: node beta: the connection is lost (beta:9470)");
}

TEST_F(RouterFailure, AnExpertThatNobodyHasFailsTheJobWithItsNumber) {
  start({{0, 3}, {6, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  EXPECT_EQ(error_of(job), "layer 2, experts 5");
}

TEST_F(RouterFailure, ThoseWhoAreMissingAreNamedWithTheReason) {
  missing = {{"gamma", "c:1", {{0, 9}, {4, 5}}, "node gamma: c:1: Connection refused"},
             {"delta", "d:1", {{3, 3}, {0, 7}}, "not of this layer"}};
  start({{0, 3}, {6, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  EXPECT_EQ(error_of(job), "layer 2, experts 4-5; node gamma: c:1: Connection refused");
}

TEST_F(RouterFailure, ACallThatNobodyWouldTakeIsNotRepeated) {
  start({{0, 7}, {0, 7}});
  const auto job = route(make_job(6, 1, {{0, 1, 1}}));
  shards[0].fail(0, make_error(failure_code::bad_call, "node alpha: call: rows is 0"));
  settle();
  EXPECT_EQ(error_of(job), "layer 6: node alpha: call: rows is 0");
  EXPECT_EQ(job->outcome().error().code, errc::internal);
  EXPECT_EQ(shards[1].calls().size(), 0u);
}

TEST_F(RouterFailure, MalformedAnswersFailTheJobWithTheNodeNamed) {
  using maker = std::function<received_result(const schema::expert_call&)>;
  const auto result_with = [&](auto change) -> maker {
    return [=](const schema::expert_call& call) {
      auto widths = std::vector<std::byte>(call.rows, std::byte{4});
      auto bytes = std::vector<std::byte>(std::size_t{call.rows} * hidden * 4);
      auto m = schema::expert_result{};
      m.id = call.id;
      m.rows = call.rows;
      change(m, widths, bytes);
      m.widths = widths;
      m.sums = bytes;
      return received_of(m);
    };
  };
  using bytes_ref = std::vector<std::byte>&;
  using result_ref = schema::expert_result&;
  const std::pair<maker, const char*> answers[] = {
      {result_with([](result_ref m, bytes_ref, bytes_ref) { m.rows = 1; }),
       "the result has 1 rows, expected 2"},
      {result_with([](result_ref m, bytes_ref, bytes_ref) { m.rows = ~0u; }),
       "the result has 4294967295 rows, expected 2"},
      {result_with([](result_ref, bytes_ref widths, bytes_ref) { widths.pop_back(); }),
       "widths has 1 entries, expected 2"},
      {result_with([](result_ref, bytes_ref widths, bytes_ref) { widths[1] = std::byte{3}; }),
       "row 1 is rounded to q8, but the call asked for exact"},
      {result_with([](result_ref, bytes_ref widths, bytes_ref) { widths[1] = std::byte{9}; }),
       "widths holds 9"},
      {result_with([](result_ref, bytes_ref widths, bytes_ref) { widths[0] = std::byte{255}; }),
       "widths holds 255"},
      {result_with([](result_ref, bytes_ref widths, bytes_ref) { widths[0] = std::byte{8}; }),
       "sums has 32 bytes, expected 48"},
      {result_with([](result_ref, bytes_ref, bytes_ref sums) { sums.pop_back(); }),
       "sums has 31 bytes, expected 32"},
      {result_with([](result_ref, bytes_ref, bytes_ref sums) { sums.clear(); }),
       "sums has 0 bytes, expected 32"},
  };
  start({{0, 3}, {4, 7}});
  auto n = std::size_t{0};
  for (const auto& [make, text] : answers) {
    const auto job = route(make_job(2, 2, some_assignments()));
    answer_rightly(0, n);
    shards[1].answer(n, make(call_in(shards[1].calls().at(n))));
    settle();
    ++n;
    EXPECT_TRUE(error_of(job).starts_with("layer 2, experts 4-7: node beta: ")) << error_of(job);
    EXPECT_NE(error_of(job).find(text), std::string::npos) << error_of(job);
  }
}

// ---- with replicas, and with time to wait
// --------------------------------------------------------------

class RouterFailover : public router_fixture {
protected:
  RouterFailover() { options.limits.failover = 30s; }

  /// Two nodes that own everything; the first is asked. One expert, so that nothing is split.
  layer_job_ptr one_of_two() {
    start({{0, 7}, {0, 7}});
    return route(make_job(2, 1, {{0, 3, 1}}));
  }
};

TEST_F(RouterFailover, AFailedCallIsMadeAgainWithAReplicaAtOnce) {
  for (const auto code :
       {failure_code::link_lost, failure_code::overloaded, failure_code::draining,
        failure_code::restarting, failure_code::internal, failure_code::not_owner}) {
    const auto first = shards.size();
    members.clear();
    start_with({{{0, 9}, {0, 7}}, {{0, 9}, {0, 7}}});
    const auto job = route(make_job(2, 1, {{0, 3, 1}}));
    ASSERT_EQ(shards[first].calls().size(), 1u);
    shards[first].fail(0, make_error(code, "no"));
    settle();
    ASSERT_EQ(shards[first + 1].calls().size(), 1u) << name_of(code);
    answer_rightly(first + 1);
    EXPECT_EQ(error_of(job), "no error");
    EXPECT_EQ(job->sums, expected_sums(*job));
    EXPECT_EQ(job->stats.retries, 1u);
    caf::anon_send_exit(router, caf::exit_reason::user_shutdown);
    settle();
    if (shards.size() == 6)
      break; // no more names
  }
}

TEST_F(RouterFailover, AMalformedAnswerIsAskedForElsewhere) {
  const auto job = one_of_two();
  shards[0].answer(0, received_of(schema::expert_result{}));
  settle();
  answer_rightly(1);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterFailover, ALateCallIsMadeAgainAndTheFirstAnswerCounts) {
  const auto job = one_of_two();
  advance(99ms);
  EXPECT_EQ(shards[1].calls().size(), 0u);
  advance(2ms);
  ASSERT_EQ(shards[1].calls().size(), 1u);
  answer_rightly(0); // late, but first
  EXPECT_EQ(job->sums, expected_sums(*job));
  answer_rightly(1); // to nobody
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterFailover, ALateNodeIsAvoidedUntilItAnswers) {
  const auto first = one_of_two();
  advance(101ms);
  answer_rightly(1);
  ASSERT_TRUE(is_done(first));
  const auto second = route(make_job(2, 1, {{0, 3, 1}}));
  EXPECT_EQ(shards[0].calls().size(), 1u);
  answer_rightly(1, 1);
  answer_rightly(0); // the one from before: it lives
  advance(11s);      // long enough for what is known of its speed to be old
  route(make_job(2, 1, {{0, 3, 1}}));
  route(make_job(2, 1, {{0, 3, 1}}));
  EXPECT_EQ(shards[0].calls().size(), 2u);
  EXPECT_EQ(shards[1].calls().size(), 3u);
}

TEST_F(RouterFailover, TheOnlyOwnersLateAnswerIsWelcome) {
  start({{0, 7}});
  const auto job = route(make_job(2, 1, {{0, 3, 1}}));
  advance(5s);
  EXPECT_FALSE(is_done(job));
  EXPECT_EQ(shards[0].calls().size(), 1u) << "asked twice";
  answer_rightly(0);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterFailover, AReplicaThatComesLaterTakesOverFromASilentNode) {
  start({{0, 7}});
  const auto job = route(make_job(2, 1, {{0, 3, 1}}));
  advance(101ms);
  add_member({{0, 9}, {0, 7}});
  publish();
  ASSERT_EQ(shards[1].calls().size(), 1u);
  answer_rightly(1);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterFailover, ExpertsThatNobodyHasWaitForTheNextView) {
  start({{0, 3}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  advance(10s);
  EXPECT_FALSE(is_done(job));
  add_member({{0, 9}, {4, 7}});
  publish();
  answer_rightly(1);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterFailover, ALostNodesCallsWaitForItsReturn) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  lose(1);
  advance(3s);
  EXPECT_FALSE(is_done(job));
  add_member({{0, 9}, {4, 7}}); // restarted: another incarnation
  publish();
  answer_rightly(2);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterFailover, TheWaitEndsAtTheFailoverDeadlineAndNotBefore) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  lose(1);
  missing = {{"beta", "b:1", {{0, 9}, {4, 7}}, "node beta: b:1: Connection refused"}};
  publish();
  advance(29s);
  EXPECT_FALSE(is_done(job));
  advance(2s);
  const auto error = error_of(job);
  EXPECT_NE(error.find("layer 2, experts 4-7: the connection was closed"), std::string::npos)
      << error;
  EXPECT_NE(error.find("node beta: b:1: Connection refused"), std::string::npos);
  EXPECT_NE(error.find("waited 3"), std::string::npos) << error;
  // And the router goes on.
  const auto next = route(make_job(2, 1, {{0, 1, 1}}));
  answer_rightly(0, 1);
  EXPECT_EQ(next->sums, expected_sums(*next));
}

TEST_F(RouterFailover, WhileTheLaptopIsStoppedTheFailoverDeadlineStands) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  lose(1);
  advance(5s);
  stop_for(60s);
  EXPECT_FALSE(is_done(job));
  advance(20s);
  EXPECT_FALSE(is_done(job));
  add_member({{0, 9}, {4, 7}}); // back
  publish();
  answer_rightly(2);
  EXPECT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterFailover, NoCallIsRepeatedBecauseOfAStop) {
  const auto job = one_of_two();
  stop_for(12s);
  advance(50ms);
  EXPECT_EQ(shards[1].calls().size(), 0u);
  answer_rightly(0);
  EXPECT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->stats.retries, 0u);
}

TEST_F(RouterFailover, ABusyNodeIsAskedAgainAfterABackOff) {
  start({{0, 7}});
  const auto job = route(make_job(2, 1, {{0, 3, 1}}));
  shards[0].fail(0, make_error(failure_code::overloaded, "node alpha: too much"));
  settle();
  EXPECT_EQ(shards[0].calls().size(), 1u) << "at once";
  advance(6ms);
  ASSERT_EQ(shards[0].calls().size(), 2u);
  shards[0].fail(1, make_error(failure_code::overloaded, "node alpha: too much"));
  settle();
  advance(6ms);
  EXPECT_EQ(shards[0].calls().size(), 2u) << "the back-off does not grow";
  advance(10ms);
  ASSERT_EQ(shards[0].calls().size(), 3u);
  answer_rightly(0, 2);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterFailover, ACallThatKillsEveryShardIsGivenUp) {
  start({{0, 7}});
  const auto job = route(make_job(2, 1, {{0, 3, 1}}));
  for (auto i = std::size_t{0}; i < 20 && !is_done(job); ++i) {
    ASSERT_GT(shards[0].calls().size(), i);
    shards[0].fail(i, make_error(failure_code::internal, "node alpha: damaged"));
    settle();
    advance(1s);
  }
  EXPECT_EQ(shards[0].calls().size(), 4u);
  EXPECT_NE(error_of(job).find("node alpha: damaged"), std::string::npos) << error_of(job);
}

TEST_F(RouterFailover, ADrainingNodeGetsNoNewCalls) {
  start({{0, 7}, {0, 7}});
  member(0).state = schema::node_state::draining;
  publish();
  for (auto i = 0; i < 5; ++i)
    route(make_job(2, 1, {{0, 3, 1}}));
  EXPECT_EQ(shards[0].calls().size(), 0u);
  EXPECT_EQ(shards[1].calls().size(), 5u);
}

TEST_F(RouterFailover, APartIsSplitAmongThoseWhoHaveItWhenItsNodeIsLost) {
  start({{0, 7}, {0, 3}, {4, 7}});
  // Make the first node the best choice for everything.
  const auto job = route(make_job(2, 2, some_assignments()));
  for (auto round = 0; round < 3 && !is_done(job); ++round)
    for (auto s = std::size_t{1}; s < 3; ++s)
      for (auto i = std::size_t{0}; i < shards[s].calls().size(); ++i)
        if (!answered.contains({s, i}))
          answer_rightly(s, i);
  if (!is_done(job))
    lose(0);
  for (auto s = std::size_t{1}; s < 3; ++s)
    for (auto i = std::size_t{0}; i < shards[s].calls().size(); ++i)
      if (!answered.contains({s, i}))
        answer_rightly(s, i);
  ASSERT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterFailover, AJobThatNobodyWaitsForIsDropped) {
  start({{0, 3}});
  const auto job = route(make_job(2, 2, some_assignments()));
  job->abandon();
  caf::anon_send(router, cancel_atom::value, job);
  settle();
  EXPECT_EQ(error_of(job), "the answer is not wanted any more");
  answer_rightly(0); // nobody hears it
  EXPECT_EQ(error_of(job), "the answer is not wanted any more");
}

TEST_F(RouterFailover, ARouterThatEndsLosesItsJobsForTheNextOne) {
  start({{0, 3}});
  const auto job = route(make_job(2, 2, some_assignments()));
  EXPECT_FALSE(is_done(job));
  caf::anon_send_exit(router, caf::exit_reason::unhandled_exception);
  settle();
  EXPECT_TRUE(job->is_lost());
}

TEST_F(RouterFailover, ANodeGetsNoMoreRowsAtOnceThanItTakes) {
  start({{0, 3}});
  auto d = std::make_shared<schema::node_description>(*member(0).description);
  d->max_rows = 2;
  member(0).description = d;
  publish();
  auto assignments = std::vector<experts::assignment>{};
  for (auto row = 0u; row < 5; ++row)
    for (const auto expert : {0u, 2u})
      if (row != 3) // a row without experts of this node
        assignments.push_back({row, expert, 1});
  const auto job = route(make_job(1, 5, assignments));
  ASSERT_EQ(shards[0].calls().size(), 2u);
  for (auto i = std::size_t{0}; i < 2; ++i) {
    EXPECT_EQ(call_in(shards[0].calls()[i]).rows, 2u);
    answer_rightly(0, i);
  }
  ASSERT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job));
}

// ---- hedging
// ---------------------------------------------------------------------------------------

TEST_F(RouterFailover, ASlowCallIsHedgedOnceTheNodeIsKnown) {
  options.hedge.enabled = true;
  options.limits.call_floor = options.limits.call_ceiling = 10s;
  start({{0, 7}, {0, 7}});
  // Both answer after 5 ms, until enough is known of both.
  for (auto i = 0; i < 60; ++i) {
    const auto job = route(make_job(2, 2, some_assignments()));
    advance(5ms);
    for (auto s = std::size_t{0}; s < 2; ++s)
      for (auto c = std::size_t{0}; c < shards[s].calls().size(); ++c)
        if (!answered.contains({s, c}))
          answer_rightly(s, c);
    ASSERT_TRUE(is_done(job));
  }
  const auto before = shards[0].calls().size() + shards[1].calls().size();
  const auto job = route(make_job(2, 1, {{0, 3, 1}}));
  advance(100ms);
  EXPECT_EQ(shards[0].calls().size() + shards[1].calls().size(), before + 2);
  EXPECT_EQ(job->stats.hedges, 1u);
  for (auto s = std::size_t{0}; s < 2; ++s)
    if (!answered.contains({s, shards[s].calls().size() - 1}))
      answer_rightly(s, shards[s].calls().size() - 1);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterFailover, NothingIsHedgedUnlessAskedFor) {
  const auto job = one_of_two();
  advance(50ms);
  EXPECT_EQ(shards[1].calls().size(), 0u);
  answer_rightly(0);
  EXPECT_EQ(job->stats.hedges, 0u);
}

} // namespace
} // namespace larql::actors
