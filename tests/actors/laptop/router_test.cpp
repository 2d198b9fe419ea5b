// Mirrors actors/laptop/router.hpp: where rows go and what becomes of the answers. What happens
// when something goes wrong is in router_failover_test.cpp.

#include "tests/actors/laptop/router_fixture.hpp"

namespace larql::actors {
namespace {

using namespace test;

class Router : public router_fixture {};

TEST_F(Router, AsksAllOwnersBeforeAnyHasAnswered) {
  start({{0, 1}, {2, 5}, {6, 7}});
  const auto job = route(make_job(3, 2, some_assignments()));
  for (const auto& s : shards)
    ASSERT_EQ(s.calls().size(), 1u);
  EXPECT_FALSE(is_done(job));
  const auto first = call_in(shards[0].calls()[0]);
  EXPECT_EQ(first.layer, 3u);
  EXPECT_EQ(first.id, shards[0].calls()[0].id);
  EXPECT_EQ(first.format, kernels::activation_format::f32);
}

TEST_F(Router, AddsUpWhatTheOwnersAnswerInAnyOrder) {
  start({{0, 1}, {2, 5}, {6, 7}});
  for (const auto& order : {std::vector{0, 1, 2}, std::vector{2, 0, 1}, std::vector{1, 2, 0}}) {
    const auto job = route(make_job(0, 2, some_assignments()));
    const auto call = shards[0].calls().size() - 1;
    for (const auto s : order) {
      EXPECT_FALSE(is_done(job));
      answer_rightly(static_cast<std::size_t>(s), call);
    }
    ASSERT_EQ(error_of(job), "no error");
    EXPECT_EQ(job->sums, expected_sums(*job));
  }
}

TEST_F(Router, OneOwnerOfEverythingGivesTheSameSums) {
  start({{0, 7}});
  const auto job = route(make_job(0, 2, some_assignments()));
  answer_rightly(0);
  EXPECT_EQ(job->sums, expected_sums(*job));
  EXPECT_EQ(job->stats.calls, 1u);
}

TEST_F(Router, SendsRowsOnlyWhereTheyHaveAssignments) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(0, 4, {{0, 1, 1}, {1, 6, 1}, {2, 5, 1}, {2, 2, 1}, {3, 7, 1}}));
  const auto low = call_in(shards[0].calls().at(0));
  EXPECT_EQ(low.rows, 2u); // 0 and 2
  EXPECT_EQ(number_at<float>(low.activations, 0), number(0));
  EXPECT_EQ(number_at<float>(low.activations, hidden), number(2));
  EXPECT_EQ(number_at<std::uint32_t>(low.pick_rows, 1), 1u); // row 2 of the job
  const auto high = call_in(shards[1].calls().at(0));
  EXPECT_EQ(high.rows, 3u); // 1, 2 and 3
  EXPECT_EQ(number_at<float>(high.activations, 2 * hidden), number(3));
  answer_rightly(1);
  answer_rightly(0);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(Router, AsksNobodyWhoHasNothingToDo) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(0, 1, {{0, 4, 1}, {0, 5, 1}}));
  EXPECT_EQ(shards[0].calls().size(), 0u);
  answer_rightly(1);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(Router, ChoosesByLayerWhereNodesSplitLayers) {
  start_with({{{0, 4}, {0, 7}}, {{5, 9}, {0, 7}}});
  route(make_job(4, 1, {{0, 1, 1}}));
  EXPECT_EQ(shards[0].calls().size(), 1u);
  route(make_job(5, 1, {{0, 1, 1}}));
  EXPECT_EQ(shards[0].calls().size(), 1u);
  EXPECT_EQ(shards[1].calls().size(), 1u);
}

TEST_F(Router, GivesEveryCallAnIdOfItsOwn) {
  start({{0, 3}, {4, 7}});
  auto ids = std::set<std::uint64_t>{};
  for (auto i = 0; i < 5; ++i)
    route(make_job(0, 2, some_assignments()));
  for (const auto& s : shards)
    for (const auto& c : s.calls())
      EXPECT_TRUE(ids.insert(c.id).second);
}

TEST_F(Router, ServesSeveralJobsAtOnce) {
  start({{0, 3}, {4, 7}});
  const auto a = route(make_job(0, 2, some_assignments()));
  const auto b = route(make_job(1, 1, {{0, 0, 2}, {0, 7, 3}}));
  answer_rightly(1, 1);
  answer_rightly(0, 0);
  answer_rightly(0, 1);
  EXPECT_TRUE(is_done(b));
  EXPECT_FALSE(is_done(a));
  answer_rightly(1, 0);
  EXPECT_EQ(a->sums, expected_sums(*a));
  EXPECT_EQ(b->sums, expected_sums(*b));
}

TEST_F(Router, CountsBytesAndCalls) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(0, 2, some_assignments()));
  const auto bytes = shards[0].calls()[0].frame->size() + shards[1].calls()[0].frame->size();
  answer_rightly(0);
  answer_rightly(1);
  EXPECT_EQ(job->stats.calls, 2u);
  EXPECT_EQ(job->stats.bytes_sent, bytes);
  EXPECT_GT(job->stats.bytes_received, 0u);
  EXPECT_EQ(job->stats.slowest_compute, 1000ns);
}

TEST_F(Router, AddsUpWhatTheLinkHasDecodedAndDoesNotDecodeItAgain) {
  start({{0, 7}});
  const auto job = route(make_job(0, 2, some_assignments()));
  auto answer = right_answer(shards[0].calls().at(0));
  const auto behind_the_spans = answer.buffer;
  answer.buffer = std::make_shared<std::vector<char>>(16, '\xff'); // no message
  shards[0].answer(0, answer);
  settle();
  ASSERT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(Router, AJobWithoutAssignmentsIsDoneAtOnce) {
  start({{0, 7}});
  const auto job = route(make_job(2, 1, {}));
  EXPECT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, std::vector<std::int64_t>(hidden, 0));
}

} // namespace
} // namespace larql::actors
