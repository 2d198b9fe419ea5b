// Mirrors runtime/experts/local_experts.hpp: the port over this machine's bank.

#include "runtime/experts/local_experts.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace larql::experts {
namespace {

using test::fails;
using test::succeeds;

constexpr auto hidden = 256u;

struct batch_data {
  std::vector<float> x;
  std::vector<std::uint16_t> ids;
  std::vector<float> weights;

  [[nodiscard]] expert_batch batch(std::uint32_t layer) const {
    const auto rows = static_cast<std::uint32_t>(x.size() / hidden);
    return {layer, rows, hidden, static_cast<std::uint32_t>(ids.size()) / rows, x, ids, weights};
  }
};

batch_data two_rows() {
  auto random = test::random_source{8};
  return {test::random_floats(random, 2 * hidden),
          {5, 1, 3, 0, 5, 7},
          {0.5f, 0.3f, 0.2f, 0.9f, 0.05f, 0.05f}};
}

TEST(CollectPicks, AreSortedByExpertAndThenByRow) {
  auto assignments = std::vector<assignment>{{9, 9, 9}}; // what was there is dropped
  const auto data = two_rows();
  assignments_by_expert(data.batch(0), assignments);
  ASSERT_EQ(assignments.size(), 6u);
  const std::pair<std::uint32_t, std::uint32_t> want[] = {{0, 1}, {1, 0}, {3, 0},
                                                          {5, 0}, {5, 1}, {7, 1}};
  for (auto i = 0u; i < 6; ++i) {
    EXPECT_EQ(assignments[i].expert, want[i].first);
    EXPECT_EQ(assignments[i].row, want[i].second);
  }
  EXPECT_EQ(assignments[3].weight, 0.5f);
  EXPECT_EQ(assignments[4].weight, 0.05f);
}

class LocalExperts : public testing::TestWithParam<quant::encoding> {
protected:
  LocalExperts() : vindex_(test::all_in(GetParam(), test::k_quant_options())) {
    model_ = *test::running_model::open(vindex_.path());
  }
  test::tiny_vindex vindex_;
  std::unique_ptr<test::running_model> model_;
};

TEST_P(LocalExperts, GiveTheEnginesSumsAsFloats) {
  const auto data = two_rows();
  auto& port = model_->port();
  auto got = std::vector<float>(2 * hidden);
  ASSERT_TRUE(succeeds(port.start(data.batch(1))));
  ASSERT_TRUE(succeeds(port.wait(got)));

  auto rows = kernels::activation_rows{};
  rows.reset(quant::activation_for(GetParam()), 2, hidden);
  for (auto r = 0u; r < 2; ++r)
    rows.set_row(model_->compute().k, r, std::span{data.x}.subspan(r * hidden, hidden));
  auto assignments = std::vector<assignment>{};
  assignments_by_expert(data.batch(1), assignments);
  auto sums = std::vector<std::int64_t>(2 * hidden);
  auto compute_experts = expert_compute{model_->compute(), model_->bank()};
  ASSERT_TRUE(succeeds(compute_experts.run(1, rows.view(), assignments, sums)));
  for (auto i = 0u; i < 2 * hidden; ++i)
    ASSERT_EQ(got[i], static_cast<float>(std::ldexp(static_cast<double>(sums[i]), -32)));
}

INSTANTIATE_TEST_SUITE_P(Encodings, LocalExperts,
                         testing::Values(quant::encoding::f32, quant::encoding::q4_0,
                                         quant::encoding::q4_k),
                         [](const auto& p) { return std::string{quant::name_of(p.param)}; });

TEST(LocalExpertsFailures, AnExpertThatIsNotHereIsNamedAndTheNextBatchWorks) {
  const auto v = test::tiny_vindex{};
  auto pool = compute_pool{1};
  const auto compute = kernels::compute{**kernels::kernels_for(kernels::best_simd_level()), pool};
  const auto bank = expert_bank::open(v.path(), v.config(), {{0, 1}, {0, 6}});
  ASSERT_TRUE(succeeds(bank));
  auto port = local_experts{compute, *bank};
  auto out = std::vector<float>(2 * hidden);
  auto data = two_rows();
  ASSERT_TRUE(succeeds(port.start(data.batch(1))));
  EXPECT_TRUE(fails(port.wait(out), errc::internal, {"layer 1", "expert 7"}));
  data.ids.back() = 6;
  ASSERT_TRUE(succeeds(port.start(data.batch(2))));
  EXPECT_TRUE(fails(port.wait(out), errc::internal, {"layer 2", "expert 0"}));
  ASSERT_TRUE(succeeds(port.start(data.batch(0))));
  EXPECT_TRUE(succeeds(port.wait(out)));
}

TEST(LocalExpertsFailures, AWeightOutOfRangeFailsOnlyItsBatch) {
  const auto v = test::tiny_vindex{};
  const auto model = *test::running_model::open(v.path());
  auto& port = model->port();
  auto data = two_rows();
  auto want = std::vector<float>(2 * hidden), got = want;
  ASSERT_TRUE(succeeds(port.start(data.batch(0))));
  ASSERT_TRUE(succeeds(port.wait(want)));
  auto bad = data;
  bad.weights[2] = 1e35f;
  ASSERT_TRUE(succeeds(port.start(bad.batch(0))));
  EXPECT_TRUE(fails(port.wait(got), errc::corrupt, {"layer 0"}));
  ASSERT_TRUE(succeeds(port.start(data.batch(0))));
  ASSERT_TRUE(succeeds(port.wait(got)));
  EXPECT_EQ(got, want);
}

} // namespace
} // namespace larql::experts
