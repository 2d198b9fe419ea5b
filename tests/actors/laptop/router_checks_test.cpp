// Mirrors actors/laptop/router_checks.cpp: the same call to two owners, and who is wrong.

#include "tests/actors/laptop/router_fixture.hpp"
#include "tests/support/random_weights.hpp"

namespace larql::actors {
namespace {

using namespace test;

class RouterChecks : public router_fixture {
protected:
  RouterChecks() {
    options.spot_check = 1;
    options.uniform = [] { return 0.0; };
    options.condemn = [this](const cluster_member& m, const std::string& why) {
      condemned.push_back(m.description->node + ": " + why);
    };
  }
  void answer_wrongly(std::size_t shard, std::size_t call, std::int64_t by = 1) {
    const auto& out = shards.at(shard).calls().at(call);
    const auto in = call_in(out);
    const auto right = right_answer(out);
    auto sums = std::vector<std::int64_t>(std::size_t{in.rows} * hidden, 0);
    auto bytes = right.message.sums;
    for (auto r = 0u; r < in.rows; ++r) {
      const auto width = static_cast<std::uint8_t>(right.message.widths[r]);
      schema::add_packed(bytes.first(std::size_t{width} * hidden), width,
                         std::span{sums}.subspan(std::size_t{r} * hidden, hidden));
      bytes = bytes.subspan(std::size_t{width} * hidden);
    }
    sums.front() += by;
    shards.at(shard).answer(call, result_of(in, sums, in.rows));
    settle();
  }
  [[nodiscard]] std::size_t calls() const {
    auto n = std::size_t{0};
    for (const auto& s : shards)
      n += s.calls().size();
    return n;
  }

  std::vector<std::string> condemned;
};

TEST_F(RouterChecks, ACheckedCallGoesToTwoOwnersAndWaitsForBoth) {
  start({{0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  ASSERT_EQ(shards[0].calls().size(), 1u);
  ASSERT_EQ(shards[1].calls().size(), 1u);
  answer_rightly(0);
  EXPECT_FALSE(is_done(job));
  answer_rightly(1);
  ASSERT_TRUE(is_done(job));
  EXPECT_EQ(job->sums, expected_sums(*job));
  EXPECT_TRUE(condemned.empty());
  EXPECT_EQ(job->stats.makers, options.makers->set_of(1));
}

TEST_F(RouterChecks, WithoutASettingNothingIsChecked) {
  options.spot_check = 0;
  start({{0, 7}, {0, 7}});
  route(make_job(2, 2, some_assignments()));
  EXPECT_EQ(calls(), 1u);
}

TEST_F(RouterChecks, OneCallInSoManyIsChecked) {
  auto random = random_source{5};
  options.spot_check = 10;
  options.uniform = [&] { return static_cast<double>(random.uniform(0, 1)); };
  start({{0, 7}, {0, 7}});
  constexpr auto jobs = 1000u;
  auto sent = std::vector<std::size_t>{0, 0};
  for (auto i = 0u; i < jobs; ++i) {
    const auto job = route(make_job(2, 2, some_assignments()));
    for (auto s = std::size_t{0}; s < 2; ++s)
      for (; sent[s] < shards[s].calls().size(); ++sent[s])
        answer_rightly(s, sent[s]);
    ASSERT_EQ(job->sums, expected_sums(*job));
  }
  EXPECT_GE(calls() - jobs, 70u);
  EXPECT_LE(calls() - jobs, 130u);
}

TEST_F(RouterChecks, OnlyWhatBothOwnIsAskedTwice) {
  start({{0, 7}, {5, 6}});
  const auto job = route(make_job(2, 2, some_assignments()));
  // Two calls to whoever was chosen for what the other does not own; one question for both.
  auto most = std::size_t{0};
  for (auto i = std::size_t{0}; i < 4; ++i) {
    for (auto s = std::size_t{0}; s < 2; ++s)
      for (auto c = std::size_t{0}; c < shards[s].calls().size(); ++c)
        if (!answered.contains({s, c}))
          answer_rightly(s, c);
    most = std::max(most, calls());
  }
  ASSERT_TRUE(is_done(job));
  EXPECT_EQ(job->sums, expected_sums(*job));
  EXPECT_GE(most, 3u);
}

TEST_F(RouterChecks, AThirdOwnerDecidesAndTheRightSumsAreUsed) {
  for (const auto liar : {0u, 1u}) {
    condemned.clear();
    shards.clear();
    members.clear();
    answered.clear();
    options.makers = std::make_shared<experts::maker_ledger>();
    start({{0, 7}, {0, 7}, {0, 7}});
    const auto job = route(make_job(2, 2, some_assignments()));
    liar == 0 ? answer_wrongly(0, 0) : answer_rightly(0, 0);
    liar == 1 ? answer_wrongly(1, 0) : answer_rightly(1, 0);
    EXPECT_FALSE(is_done(job));
    ASSERT_EQ(shards[2].calls().size(), 1u);
    answer_rightly(2, 0);
    ASSERT_TRUE(is_done(job));
    EXPECT_EQ(error_of(job), "no error");
    EXPECT_EQ(job->sums, expected_sums(*job));
    ASSERT_EQ(condemned.size(), 1u);
    EXPECT_EQ(condemned[0],
              fmt::format("{}: layer 2, experts 1-2, 5-7: its answer is not that of node {} "
                          "({}:9470), and node gamma (gamma:9470) decides against it",
                          liar == 0 ? "alpha" : "beta", liar == 0 ? "beta" : "alpha",
                          liar == 0 ? "beta" : "alpha"));
    EXPECT_EQ(job->stats.makers, options.makers->set_of(liar == 0 ? 2 : 1));
    caf::anon_send_exit(router, caf::exit_reason::user_shutdown);
    settle();
  }
}

TEST_F(RouterChecks, ACondemnedNodeIsNotAskedAgainAndItsLateAnswersAreNotUsed) {
  start({{0, 7}, {0, 7}, {0, 7}});
  options.spot_check = 1;
  const auto job = route(make_job(2, 2, some_assignments()));
  const auto other = route(make_job(3, 2, some_assignments()));
  const auto before = shards[0].calls().size();
  answer_wrongly(0, 0);
  answer_rightly(1, 0);
  answer_rightly(2, shards[2].calls().size() - 1);
  ASSERT_TRUE(is_done(job));
  ASSERT_EQ(condemned.size(), 1u);
  for (auto round = 0; round < 4; ++round)
    for (auto s = std::size_t{0}; s < 3; ++s)
      for (auto c = std::size_t{0}; c < shards[s].calls().size(); ++c)
        if (!answered.contains({s, c}) && !(s == 0 && c == 0))
          answer_rightly(s, c);
  ASSERT_TRUE(is_done(other));
  EXPECT_EQ(other->sums, expected_sums(*other));
  const auto next = route(make_job(4, 2, some_assignments()));
  EXPECT_EQ(shards[0].calls().size(), before);
}

TEST_F(RouterChecks, ThisMachinesFilesDecideWhereThereIsNoThirdOwner) {
  options.own_sums = [](const layer_job& job, std::span<const experts::assignment>,
                        std::span<const std::uint32_t>) {
    return std::optional{expected_sums(job)};
  };
  start({{0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  answer_wrongly(1, 0);
  ASSERT_TRUE(is_done(job));
  EXPECT_EQ(job->sums, expected_sums(*job));
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_NE(condemned[0].find("beta: "), std::string::npos);
  EXPECT_NE(condemned[0].find("this machine decides"), std::string::npos);
}

TEST_F(RouterChecks, RoundedAnswersAreComparedAsTheyWereSent) {
  options.sums = quant::sum_format::bf16;
  options.own_sums = [](const layer_job& job, std::span<const experts::assignment>,
                        std::span<const std::uint32_t>) {
    return std::optional{expected_sums(job)};
  };
  start({{0, 7}, {0, 7}});
  const auto agreed = route(make_job(2, 2, some_assignments()));
  EXPECT_EQ(call_in(shards[0].calls().at(0)).sums, quant::sum_format::bf16);
  EXPECT_EQ(call_in(shards[1].calls().at(0)).sums, quant::sum_format::bf16);
  answer_rightly(0);
  answer_rightly(1);
  ASSERT_EQ(error_of(agreed), "no error");
  auto rounded = expected_sums(*agreed);
  schema::round_sums(rounded, hidden, options.sums);
  EXPECT_EQ(agreed->sums, rounded);
  EXPECT_TRUE(condemned.empty());
  const auto disputed = route(make_job(3, 2, some_assignments()));
  answer_rightly(0, 1);
  answer_wrongly(1, 1, std::int64_t{1} << 40);
  ASSERT_TRUE(is_done(disputed));
  EXPECT_EQ(disputed->sums, rounded);
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_NE(condemned[0].find("beta: "), std::string::npos);
}

TEST_F(RouterChecks, ARoundedAnswerThatNobodyAskedForIsAnError) {
  options.spot_check = 0;
  start({{0, 7}});
  const auto job = route(make_job(2, 1, {{0, 1, 2}}));
  auto call = call_in(shards[0].calls().at(0));
  call.sums = quant::sum_format::f16;
  shards[0].answer(0, result_of(call, expected_sums(*job), 1));
  settle();
  ASSERT_TRUE(is_done(job));
  EXPECT_NE(error_of(job).find("rounded to f16, but the call asked for exact"), std::string::npos)
      << error_of(job);
}

TEST_F(RouterChecks, FilesThatAgreeWithNeitherDecideNothing) {
  options.own_sums = [](const layer_job& job, std::span<const experts::assignment>,
                        std::span<const std::uint32_t>) {
    auto sums = expected_sums(job);
    sums.back() += 5;
    return std::optional{sums};
  };
  start({{0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  answer_wrongly(1, 0);
  ASSERT_TRUE(is_done(job));
  EXPECT_EQ(job->outcome().error().code, errc::corrupt);
  EXPECT_TRUE(condemned.empty());
}

TEST_F(RouterChecks, AThirdOwnerThatFailsLeavesItToTheNext) {
  start({{0, 7}, {0, 7}, {0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_wrongly(0, 0);
  answer_rightly(1, 0);
  ASSERT_EQ(shards[2].calls().size(), 1u);
  shards[2].fail(0, make_error(failure_code::overloaded, "too much"));
  settle();
  EXPECT_FALSE(is_done(job));
  ASSERT_EQ(shards[3].calls().size(), 1u);
  answer_rightly(3, 0);
  ASSERT_TRUE(is_done(job));
  EXPECT_EQ(job->sums, expected_sums(*job));
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_EQ(condemned[0].substr(0, 6), "alpha:");
}

TEST_F(RouterChecks, AThirdOwnerThatWasCondemnedMeanwhileIsNotHeard) {
  start({{0, 7}, {0, 7}, {0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_wrongly(0, 0);
  answer_rightly(1, 0);
  ASSERT_EQ(shards[2].calls().size(), 1u);
  options.makers->condemn(3, "found by another check");
  answer_wrongly(2, 0); // as the first one
  EXPECT_FALSE(is_done(job));
  ASSERT_EQ(shards[3].calls().size(), 1u);
  answer_rightly(3, 0);
  ASSERT_TRUE(is_done(job));
  EXPECT_EQ(job->sums, expected_sums(*job));
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_EQ(condemned[0].substr(0, 6), "alpha:");
}

TEST_F(RouterChecks, AnAnswerThatWaitsIsNotUsedIfItsNodeIsCondemnedMeanwhile) {
  start({{0, 7}, {0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_wrongly(0, 0);
  answered.insert({0, 0});
  options.makers->condemn(1, "found by another check");
  answered.insert({1, 0});
  shards[1].fail(0, make_error(failure_code::overloaded, "too much"));
  settle();
  EXPECT_FALSE(is_done(job)); // it was asked again
  for (auto round = 0; round < 3 && !is_done(job); ++round)
    for (auto s = std::size_t{0}; s < 3; ++s)
      for (auto c = std::size_t{0}; c < shards[s].calls().size(); ++c)
        if (!answered.contains({s, c}))
          answer_rightly(s, c);
  ASSERT_TRUE(is_done(job));
  EXPECT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job));
  EXPECT_EQ(shards[0].calls().size(), 1u);
  EXPECT_EQ(job->stats.makers & options.makers->set_of(1), 0u);
}

TEST_F(RouterChecks, IfNothingDecidesTheAnswerEndsWithBothNames) {
  start({{0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  answer_wrongly(1, 0);
  EXPECT_EQ(
      error_of(job),
      "layer 2, experts 1-2, 5-7: node alpha (alpha:9470) and node beta (beta:9470) give "
      "different answers, and nothing here tells which is right (larql verify --deep on both)");
  EXPECT_EQ(job->outcome().error().code, errc::corrupt);
  EXPECT_TRUE(condemned.empty());
}

TEST_F(RouterChecks, AWitnessThatFailsDoesNotHoldTheAnswerUp) {
  start({{0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  shards[1].fail(0, make_error(failure_code::overloaded, "too much"));
  settle();
  ASSERT_TRUE(is_done(job));
  EXPECT_EQ(job->sums, expected_sums(*job));
  EXPECT_EQ(job->stats.retries, 0u);
}

TEST_F(RouterChecks, ASilentWitnessIsWaitedForUntilItsDeadline) {
  start({{0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(0);
  advance(99ms);
  EXPECT_FALSE(is_done(job));
  advance(2ms);
  ASSERT_TRUE(is_done(job));
  EXPECT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(RouterChecks, TheWitnessIsNotPartOfTheStatistics) {
  start({{0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  answer_rightly(1); // the witness first
  answer_rightly(0);
  ASSERT_TRUE(is_done(job));
  EXPECT_EQ(job->stats.calls, 1u);
  EXPECT_EQ(job->stats.retries + job->stats.hedges, 0u);
}

TEST_F(RouterChecks, ALostNodesCallGoesToTheOtherWithoutACheck) {
  start({{0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  lose(0);
  for (auto c = std::size_t{0}; c < shards[1].calls().size(); ++c)
    answer_rightly(1, c);
  ASSERT_TRUE(is_done(job));
  EXPECT_EQ(job->sums, expected_sums(*job));
}

// A node that adds one to a sum in one call of a hundred.
TEST_F(RouterChecks, ARareLiarIsNamedAfterAboutAsManyLiesAsCallsPerCheck) {
  constexpr auto calls_per_check = 10u, runs = 20u;
  auto random = random_source{6};
  auto lies = 0u;
  for (auto run = 0u; run < runs; ++run) {
    condemned.clear();
    shards.clear();
    members.clear();
    options.makers = std::make_shared<experts::maker_ledger>();
    options.spot_check = calls_per_check;
    options.uniform = [&] { return static_cast<double>(random.uniform(0, 1)); };
    start({{0, 7}, {0, 7}, {0, 7}}); // of equals the first is asked
    auto sent = std::vector<std::size_t>(3);
    while (condemned.empty()) {
      const auto job = route(make_job(2, 1, {{0, 1, 2}}));
      while (!is_done(job))
        for (auto s = std::size_t{0}; s < 3; ++s)
          for (; sent[s] < shards[s].calls().size(); ++sent[s])
            if (s == 0 && random.below(100) == 0) {
              ++lies;
              answer_wrongly(s, sent[s]);
            } else {
              answer_rightly(s, sent[s]);
            }
    }
    EXPECT_EQ(condemned[0].substr(0, 6), "alpha:");
    caf::anon_send_exit(router, caf::exit_reason::user_shutdown);
    settle();
  }
  EXPECT_GE(lies, runs * 2);
  EXPECT_LE(lies, runs * calls_per_check * 2);
}

TEST_F(RouterChecks, ALateAnswerOfARepeatedCallIsCompared) {
  options.spot_check = 0;
  options.limits.failover = 10s;
  start({{0, 7}, {0, 7}, {0, 7}});
  const auto job = route(make_job(2, 2, some_assignments()));
  advance(101ms); // late: another owner is asked as well
  ASSERT_EQ(shards[1].calls().size(), 1u);
  answer_wrongly(1, 0);
  ASSERT_TRUE(is_done(job)); // the answer was used
  answer_rightly(0, 0);
  ASSERT_EQ(shards[2].calls().size(), 1u);
  answer_rightly(2, 0);
  ASSERT_EQ(condemned.size(), 1u);
  EXPECT_EQ(condemned[0].substr(0, 5), "beta:");
  EXPECT_TRUE(options.makers->is_void({job->stats.makers}, experts::maker_ledger::time::max()));
}

} // namespace
} // namespace larql::actors
