// Mirrors runtime/experts/combined_experts.hpp: experts of two ports add up to the sums of one.
// Over real nodes: tests/actors/laptop/remote_experts_test.cpp.

#include "runtime/experts/combined_experts.hpp"

#include "runtime/experts/local_experts.hpp"
#include "tests/support/expert_batches.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/late_experts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::experts {
namespace {

using test::fails;
using test::succeeds;
using test::sums_of;

constexpr auto hidden = 256u;

class CombinedExperts : public testing::Test {
protected:
  expert_bank bank(index_range range) {
    auto b = expert_bank::open(vindex_.path(), vindex_.config(), {{0, 2}, range});
    EXPECT_TRUE(succeeds(b));
    return *std::move(b);
  }

  test::tiny_vindex vindex_;
  std::unique_ptr<test::running_model> model_ = *test::running_model::open(vindex_.path());
  expert_bank low_ = bank({0, 2}), high_ = bank({3, 7});
  local_experts near_{model_->compute(), low_}, far_{model_->compute(), high_};
  test::late_experts late_{far_, 1};
  test::failing_experts near_port_{near_}, far_port_{late_};
  combined_experts port_{near_port_, low_.owned(), far_port_};
};

TEST_F(CombinedExperts, GiveTheSumsOfOnePortThatHasAll) {
  for (auto seed = 0u; seed < 20; ++seed) {
    const auto data = test::random_batch(3, hidden, 8, 3, seed);
    EXPECT_EQ(*sums_of(port_, data.batch(seed % 3)),
              *sums_of(model_->port(), data.batch(seed % 3)));
  }
}

TEST_F(CombinedExperts, ComputeEachExpertInOnePlace) {
  auto data = test::random_batch(1, hidden, 8, 8);
  const auto near = near_port_.starts(), far = far_port_.starts();
  ASSERT_TRUE(succeeds(sums_of(port_, data.batch(0))));
  EXPECT_EQ(near_port_.starts(), near + 1);
  EXPECT_EQ(far_port_.starts(), far + 1);
  data.assignments.resize(3); // those of the near port
  ASSERT_TRUE(succeeds(sums_of(port_, data.batch(0))));
  EXPECT_EQ(far_port_.starts(), far + 1) << "nothing to ask for";
  data.assignments = {{0, 5, 1.0f}};
  ASSERT_TRUE(succeeds(sums_of(port_, data.batch(0))));
  EXPECT_EQ(near_port_.starts(), near + 2) << "nothing to compute here";
}

TEST_F(CombinedExperts, SayToTheFarSideWhetherSomethingIsAddedHere) {
  auto data = test::random_batch(1, hidden, 8, 8);
  ASSERT_TRUE(succeeds(sums_of(port_, data.batch(0))));
  EXPECT_FALSE(far_port_.last_was_whole());
  data.assignments = {{0, 5, 1.0f}};
  ASSERT_TRUE(succeeds(sums_of(port_, data.batch(0))));
  EXPECT_TRUE(far_port_.last_was_whole());
}

TEST_F(CombinedExperts, AreReadyWhenTheFarPartIs) {
  const auto data = test::random_batch(1, hidden, 8, 8);
  const auto ticket = *port_.start(data.batch(0));
  auto looks = 0;
  while (!ticket->is_ready())
    ++looks;
  EXPECT_LT(looks, 8);
}

TEST_F(CombinedExperts, AnErrorOfOneSideCancelsTheOther) {
  const auto data = test::random_batch(1, hidden, 8, 8);
  near_port_.fail_start(0);
  EXPECT_TRUE(fails(port_.start(data.batch(1)), errc::unavailable, {"layer 1"}));
  EXPECT_EQ(late_.under_way(), 0u);
  far_port_.fail_start(0);
  EXPECT_TRUE(fails(port_.start(data.batch(1)), errc::unavailable, {"layer 1"}));
  near_port_.fail_wait(0);
  EXPECT_TRUE(fails(sums_of(port_, data.batch(0)), errc::deadline, {"in time"}));
  EXPECT_EQ(late_.under_way(), 0u);
  far_port_.fail_wait(0);
  EXPECT_TRUE(fails(sums_of(port_, data.batch(0)), errc::deadline, {"in time"}));
  EXPECT_EQ(*sums_of(port_, data.batch(0)), *sums_of(model_->port(), data.batch(0)));
}

TEST_F(CombinedExperts, ADroppedTicketCancelsBothSides) {
  const auto data = test::random_batch(1, hidden, 8, 8);
  auto ticket = *port_.start(data.batch(0));
  EXPECT_EQ(late_.under_way(), 1u);
  ticket.drop();
  EXPECT_EQ(late_.under_way(), 0u);
}

} // namespace
} // namespace larql::experts
