// Mirrors runtime/experts/local_experts.hpp: the port over this machine's bank.

#include "runtime/experts/local_experts.hpp"

#include "tests/support/expert_batches.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::experts {
namespace {

using test::fails;
using test::succeeds;
using test::sums_of;

constexpr auto hidden = 256u;

test::batch_data two_rows(std::uint64_t seed = 8) {
  return test::random_batch(2, hidden, 8, 3, seed);
}

class LocalExperts : public testing::TestWithParam<quant::encoding> {
protected:
  LocalExperts() : vindex_(test::all_in(GetParam(), test::k_quant_options())) {
    model_ = *test::running_model::open(vindex_.path());
  }
  test::tiny_vindex vindex_;
  std::unique_ptr<test::running_model> model_;
};

TEST_P(LocalExperts, AddTheSumsOfTheirAssignments) {
  const auto data = two_rows();
  auto rows = kernels::activation_rows{};
  rows.reset(quant::activation_for(GetParam()), 2, hidden);
  for (auto r = 0u; r < 2; ++r)
    rows.set_row(model_->compute().k, r, std::span{data.x}.subspan(r * hidden, hidden));
  auto want = std::vector<std::int64_t>(2 * hidden);
  auto compute_experts = expert_compute{model_->compute(), model_->bank()};
  ASSERT_TRUE(succeeds(compute_experts.run(1, rows.view(), data.assignments, want)));
  EXPECT_EQ(*sums_of(model_->port(), data.batch(1)), want);
  // What was there is added to.
  const auto ticket = model_->port().start(data.batch(1));
  ASSERT_TRUE(succeeds(ticket));
  auto sums = std::vector<std::int64_t>(2 * hidden, 1000);
  ASSERT_TRUE(succeeds((*ticket)->wait(sums, {})));
  for (auto i = 0u; i < 2 * hidden; ++i)
    ASSERT_EQ(sums[i], want[i] + 1000);
}

INSTANTIATE_TEST_SUITE_P(Encodings, LocalExperts,
                         testing::Values(quant::encoding::f32, quant::encoding::q4_0,
                                         quant::encoding::q4_k),
                         [](const auto& p) { return std::string{quant::name_of(p.param)}; });

class LocalTickets : public testing::Test {
protected:
  test::tiny_vindex vindex_;
  std::unique_ptr<test::running_model> model_ = *test::running_model::open(vindex_.path());
};

TEST_F(LocalTickets, MayBeWaitedForInAnyOrderAndDropped) {
  auto& port = model_->port();
  auto want = std::vector<std::vector<std::int64_t>>{};
  for (auto i = 0u; i < 4; ++i)
    want.push_back(*sums_of(port, two_rows(i).batch(i % 3)));
  auto tickets = std::vector<expert_ticket>{};
  for (auto i = 0u; i < 4; ++i) {
    auto data = two_rows(i);
    tickets.push_back(*port.start(data.batch(i % 3)));
    std::fill(data.x.begin(), data.x.end(), 0.0f); // the batch has its own
  }
  tickets[1].drop();
  for (const auto i : {3u, 0u, 2u}) {
    EXPECT_TRUE(tickets[i]->is_ready());
    auto sums = std::vector<std::int64_t>(2 * hidden);
    ASSERT_TRUE(succeeds(tickets[i]->wait(sums, {})));
    EXPECT_EQ(sums, want[i]) << i;
  }
}

TEST_F(LocalTickets, AreReadyAtOnceAndSaySo) {
  auto ready = 0;
  const auto ticket = model_->port().start(two_rows().batch(0), [&] { ++ready; });
  EXPECT_EQ(ready, 1);
}

TEST_F(LocalTickets, AStopBeforeTheExpertsEndsTheBatch) {
  auto stop = std::stop_source{};
  const auto ticket = *model_->port().start(two_rows().batch(1));
  stop.request_stop();
  auto sums = std::vector<std::int64_t>(2 * hidden);
  EXPECT_TRUE(fails(ticket->wait(sums, stop.get_token()), errc::cancelled, {"layer 1"}));
}

TEST_F(LocalTickets, AnExpertThatIsNotHereIsNamedAndTheNextBatchWorks) {
  const auto bank = expert_bank::open(vindex_.path(), vindex_.config(), {{0, 1}, {0, 6}});
  ASSERT_TRUE(succeeds(bank));
  auto port = local_experts{model_->compute(), *bank};
  auto data = two_rows();
  data.assignments = {{0, 0, 1.0f}, {1, 7, 1.0f}};
  EXPECT_TRUE(fails(port.start(data.batch(1)), errc::internal, {"layer 1", "expert 7"}));
  data.assignments[1].expert = 6;
  EXPECT_TRUE(fails(port.start(data.batch(2)), errc::internal, {"layer 2", "expert 0"}));
  EXPECT_TRUE(succeeds(sums_of(port, data.batch(0))));
}

TEST_F(LocalTickets, AWeightOutOfRangeFailsOnlyItsBatch) {
  auto& port = model_->port();
  const auto data = two_rows();
  const auto want = *sums_of(port, data.batch(0));
  auto bad = data;
  bad.assignments[2].weight = 1e35f;
  EXPECT_TRUE(fails(sums_of(port, bad.batch(0)), errc::corrupt, {"layer 0"}));
  EXPECT_EQ(*sums_of(port, data.batch(0)), want);
}

} // namespace
} // namespace larql::experts
