// Mirrors runtime/experts/predispatch.hpp: what a dispatch asks for, and how much of it at a time.
// What passes make of it is in tests/runtime/generate/predispatched_passes_test.cpp.

#include "runtime/experts/predispatch.hpp"

#include "tests/support/expert_batches.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/fake_experts.hpp"

#include <gtest/gtest.h>

namespace larql::experts {
namespace {

using test::fails;
using test::succeeds;

constexpr auto hidden = 4u;
constexpr auto one = 1.0f;

/// Answers each row with the sum over its assignments of weight × (row + layer + 1), and remembers
/// what it was asked.
class echo_experts final : public expert_port {
public:
  struct asked {
    std::uint32_t layer, rows;
  };
  std::vector<asked> batches;
  std::size_t under_way = 0, most_under_way = 0;

  result<expert_ticket> start(const expert_batch& batch, ready_fn = {}) override {
    batches.push_back({batch.layer, batch.rows});
    most_under_way = std::max(most_under_way, ++under_way);
    return expert_ticket{*new work{*this, batch}};
  }

private:
  class work final : public expert_work {
  public:
    work(echo_experts& port, const expert_batch& b)
        : port_(port),
          layer_(b.layer),
          x_(b.x.begin(), b.x.end()),
          assignments_(b.assignments.begin(), b.assignments.end()) {}
    virtual ~work() = default;
    bool is_ready() const noexcept override { return true; }
    result<void> wait(std::span<std::int64_t> sums, const std::stop_token&) override {
      for (const auto& a : assignments_)
        for (auto i = std::size_t{a.row} * hidden; i < (a.row + 1) * hidden; ++i)
          sums[i] += static_cast<std::int64_t>(a.weight * (x_[i] + static_cast<float>(layer_) + 1));
      return {};
    }
    call_stats stats() const override {
      auto out = call_stats{};
      out.calls = 1;
      out.bytes_sent = x_.size();
      out.slowest = std::chrono::milliseconds{layer_};
      return out;
    }
    void release() noexcept override {
      --port_.under_way;
      delete this;
    }

  private:
    echo_experts& port_;
    std::uint32_t layer_;
    std::vector<float> x_;
    std::vector<assignment> assignments_;
  };
};

class Predispatch : public testing::Test {
protected:
  /// One layer of a round, each of whose rows is all `value` and goes to one expert; the answer.
  std::vector<float> exchange(std::uint32_t layer, std::uint32_t rows, float value = 0) {
    auto x = std::vector<float>(std::size_t{rows} * hidden, value);
    auto assignments = std::vector<assignment>{};
    for (auto r = 0u; r < rows; ++r)
      assignments.push_back({r, 0, static_cast<float>(r + 1)});
    auto out = std::vector<float>(x.size(), -1);
    p_.exchange({layer, rows, hidden, x, assignments}, out);
    return out;
  }
  void dispatch() {
    ASSERT_TRUE(succeeds(p_.dispatch(port_)));
    while (p_.is_under_way())
      ASSERT_TRUE(succeeds(p_.collect(port_, k_, {})));
  }
  /// What fixed-point sums of this size are as a float.
  [[nodiscard]] float from_fixed(std::int64_t sum) const {
    auto out = 0.0f;
    k_.fixed_to_float(&sum, 1, &out);
    return out;
  }

  const kernels::kernel_set& k_ = **kernels::kernels_for(kernels::best_simd_level());
  echo_experts port_;
  predispatch p_;
};

TEST_F(Predispatch, AnswersAreZeroAtFirstAndThoseOfTheDispatchBeforeThen) {
  p_.begin(2, hidden);
  EXPECT_EQ(exchange(0, 1, 5), std::vector<float>(hidden, 0));
  EXPECT_EQ(exchange(1, 1, 7), std::vector<float>(hidden, 0));
  dispatch();
  EXPECT_EQ(p_.round(), 1u);
  EXPECT_EQ(exchange(0, 1, 5), std::vector<float>(hidden, from_fixed(5 + 1)));
  EXPECT_EQ(exchange(1, 1, 8), std::vector<float>(hidden, from_fixed(7 + 2)));
  dispatch();
  EXPECT_EQ(exchange(1, 1, 8), std::vector<float>(hidden, from_fixed(8 + 2)));
  p_.begin(2, hidden);
  EXPECT_EQ(exchange(0, 1, 5), std::vector<float>(hidden, 0)) << "another pass";
}

TEST_F(Predispatch, LayersWhoseAnswerIsExactAreNotAskedForAgain) {
  p_.begin(3, hidden);
  auto layers = std::vector<std::vector<std::uint32_t>>{};
  for (auto round = 0u; round < 3; ++round) {
    for (auto l = 0u; l < 3; ++l)
      (void) exchange(l, 2, one);
    port_.batches.clear();
    dispatch();
    auto& asked = layers.emplace_back();
    for (const auto& b : port_.batches)
      asked.push_back(b.layer);
  }
  EXPECT_EQ(layers, (std::vector<std::vector<std::uint32_t>>{{0, 1, 2}, {1, 2}, {2}}));
}

TEST_F(Predispatch, ADispatchIsCountedOnce) {
  p_.begin(4, hidden);
  for (auto l = 0u; l < 4; ++l)
    (void) exchange(l, 3, one);
  dispatch();
  EXPECT_EQ(p_.stats().calls, 4u);
  EXPECT_EQ(p_.stats().bytes_sent, 4u * 3 * hidden);
  EXPECT_EQ(p_.stats().slowest, std::chrono::milliseconds{3});
  for (auto l = 1u; l < 4; ++l)
    (void) exchange(l, 3, one);
  dispatch();
  EXPECT_EQ(p_.stats().calls, 3u) << "those of the second alone";
}

TEST_F(Predispatch, RowsThatLeaveAreNotAskedForAndTheOthersKeepTheirAnswers) {
  p_.begin(2, hidden);
  for (auto l = 0u; l < 2; ++l)
    (void) exchange(l, 4, one);
  dispatch();
  (void) exchange(0, 4, one);
  p_.remove_rows(1, 2); // layer 0 is noted anew, layer 1 holds answers
  const auto answer = exchange(1, 2, one);
  EXPECT_EQ(answer.front(), from_fixed(1 * (1 + 2)));
  EXPECT_EQ(answer.back(), from_fixed(4 * (1 + 2))) << "the last row moved up";
  port_.batches.clear();
  dispatch();
  ASSERT_EQ(port_.batches.size(), 1u);
  EXPECT_EQ(port_.batches.front().rows, 2u);
}

TEST_F(Predispatch, NoMoreIsUnderWayThanANodeTakes) {
  const auto layers = static_cast<std::uint32_t>(2 * predispatch::most_under_way);
  p_.begin(layers, hidden);
  for (auto l = 0u; l < layers; ++l)
    (void) exchange(l, 1, one);
  dispatch();
  EXPECT_EQ(port_.batches.size(), layers);
  EXPECT_EQ(port_.most_under_way, predispatch::most_under_way);

  port_.most_under_way = 0;
  const auto rows =
      static_cast<std::uint32_t>(predispatch::most_bytes / 3 / sizeof(float) / hidden);
  p_.begin(5, hidden);
  for (auto l = 0u; l < 5; ++l)
    (void) exchange(l, rows, one);
  dispatch();
  EXPECT_EQ(port_.most_under_way, 3u) << "bytes count as well";
}

TEST_F(Predispatch, AFailureDropsWhatIsUnderWay) {
  for (const auto at_start : {true, false}) {
    SCOPED_TRACE(at_start);
    auto failing = test::failing_experts{port_};
    p_.begin(4, hidden);
    for (auto l = 0u; l < 4; ++l)
      (void) exchange(l, 1, one);
    if (at_start) {
      failing.fail_start(2);
      EXPECT_TRUE(fails(p_.dispatch(failing), errc::unavailable, {"layer 2"}));
    } else {
      failing.fail_wait(2);
      ASSERT_TRUE(succeeds(p_.dispatch(failing)));
      ASSERT_TRUE(succeeds(p_.collect(failing, k_, {})));
      ASSERT_TRUE(succeeds(p_.collect(failing, k_, {})));
      EXPECT_TRUE(fails(p_.collect(failing, k_, {}), errc::deadline, {"no answer"}));
      EXPECT_EQ(p_.stats().calls, 3u) << "the one that failed was made";
    }
    EXPECT_FALSE(p_.is_under_way());
    EXPECT_EQ(port_.under_way, 0u);
  }
}

} // namespace
} // namespace larql::experts
