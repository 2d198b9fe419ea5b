// Mirrors runtime/generate/generator.hpp: every way in which the decode loop ends, and what the
// session and the numbers say afterwards.

#include "runtime/generate/generator.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/fake_experts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using test::fails;
using test::succeeds;
using ids = std::vector<std::uint32_t>;

class Generate : public testing::Test {
protected:
  Generate() {
    auto options = test::run_options{};
    options.chunk = 4;
    options.context = 24;
    model_ = *test::running_model::open(vindex_.path(), options);
    session_ = model_->new_session();
  }

  result<void> run(session& s, const generation_limits& limits) {
    auto greedy = sampler{model_->compute().k, {}};
    out_.clear();
    return generate(
        s, prompt_, greedy, limits,
        [&](std::uint32_t t) {
          out_.push_back(t);
          return out_.size() != stop_after_;
        },
        stats_);
  }
  result<void> run(const generation_limits& limits) { return run(*session_, limits); }

  ids session_tokens() const { return {session_->tokens().begin(), session_->tokens().end()}; }
  ids prompt_and(std::size_t n) const {
    auto all = prompt_;
    all.insert(all.end(), out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(n));
    return all;
  }

  test::tiny_vindex vindex_;
  std::unique_ptr<test::running_model> model_;
  std::unique_ptr<session> session_;
  ids prompt_ = test::random_ids(6, 128);
  ids out_;
  std::size_t stop_after_ = ~std::size_t{0};
  generation_stats stats_;
};

TEST_F(Generate, GreedyTokensAreTheLargestLogitsOneAfterTheOther) {
  ASSERT_TRUE(succeeds(run({5, {}})));
  ASSERT_EQ(out_.size(), 5u);
  const auto fresh = model_->new_session();
  ASSERT_TRUE(succeeds(fresh->append(prompt_)));
  for (const auto t : out_) {
    EXPECT_EQ(t, argmax(*fresh->last_logits()));
    ASSERT_TRUE(succeeds(fresh->append({&t, 1})));
  }
}

TEST_F(Generate, EndsAtTheLimitWithoutRunningTheLastToken) {
  ASSERT_TRUE(succeeds(run({5, {}})));
  EXPECT_EQ(stats_.reason, stop_reason::max_tokens);
  EXPECT_EQ(stats_.tokens, 5u);
  EXPECT_EQ(stats_.prompt_tokens, 6u);
  EXPECT_EQ(stats_.token_times.size(), 4u); // the first one has its own time
  EXPECT_GT(stats_.to_first_token.count(), 0);
  EXPECT_LE(stats_.prefill, stats_.to_first_token);
  EXPECT_EQ(session_tokens(), prompt_and(4));
}

TEST_F(Generate, ALimitOfZeroOnlyReadsThePrompt) {
  ASSERT_TRUE(succeeds(run({0, {}})));
  EXPECT_TRUE(out_.empty());
  EXPECT_EQ(stats_.tokens, 0u);
  EXPECT_EQ(stats_.reason, stop_reason::max_tokens);
  EXPECT_EQ(session_tokens(), prompt_);
}

TEST_F(Generate, AStopTokenEndsItAndIsNotGivenOut) {
  ASSERT_TRUE(succeeds(run({8, {}})));
  const auto all = out_;
  const auto stop = all[3];
  const auto first =
      static_cast<std::size_t>(std::find(all.begin(), all.end(), stop) - all.begin());
  session_ = model_->new_session();
  ASSERT_TRUE(succeeds(run({8, {127, stop}})));
  EXPECT_EQ(out_, ids(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(first)));
  EXPECT_EQ(stats_.reason, stop_reason::stop_token);
  EXPECT_EQ(stats_.tokens, first);
  EXPECT_EQ(session_tokens(), prompt_and(first));
}

TEST_F(Generate, AStopTokenMayBeTheFirst) {
  ASSERT_TRUE(succeeds(run({1, {}})));
  const auto stop = out_[0];
  session_ = model_->new_session();
  ASSERT_TRUE(succeeds(run({8, {stop}})));
  EXPECT_TRUE(out_.empty());
  EXPECT_EQ(stats_.reason, stop_reason::stop_token);
  EXPECT_EQ(session_tokens(), prompt_);
}

TEST_F(Generate, TheCallerMayEndIt) {
  stop_after_ = 3;
  ASSERT_TRUE(succeeds(run({8, {}})));
  EXPECT_EQ(out_.size(), 3u);
  EXPECT_EQ(stats_.reason, stop_reason::caller);
  EXPECT_EQ(stats_.tokens, 3u);
  EXPECT_EQ(session_tokens(), prompt_and(2));
}

TEST_F(Generate, AFullContextEndsIt) {
  ASSERT_TRUE(succeeds(run({100, {}})));
  // 24 places: 6 of the prompt, 18 generated, and one more token that has no place.
  EXPECT_EQ(stats_.reason, stop_reason::context_full);
  EXPECT_EQ(out_.size(), 19u);
  EXPECT_EQ(session_tokens(), prompt_and(18));
}

TEST_F(Generate, APromptThatDoesNotFitIsRefused) {
  prompt_ = test::random_ids(25, 128);
  EXPECT_TRUE(fails(run({5, {}}), errc::usage, {"25 tokens", "24"}));
  EXPECT_EQ(stats_.tokens, 0u);
  prompt_.clear();
  EXPECT_TRUE(fails(run({5, {}}), errc::usage, {"prompt is empty"}));
}

TEST_F(Generate, ASecondTurnGoesOnInTheSameSession) {
  ASSERT_TRUE(succeeds(run({3, {}})));
  const auto before = session_tokens();
  prompt_ = {out_.back(), 7, 8};
  ASSERT_TRUE(succeeds(run({2, {}})));
  const auto second = out_;
  auto all = before;
  all.insert(all.end(), prompt_.begin(), prompt_.end());
  session_ = model_->new_session();
  prompt_ = all;
  ASSERT_TRUE(succeeds(run({2, {}})));
  EXPECT_EQ(out_, second);
}

TEST_F(Generate, AFailureTellsHowFarItCameAndTheSessionGoesOn) {
  ASSERT_TRUE(succeeds(run({8, {}})));
  const auto all = out_;
  auto port = test::failing_experts{model_->port()};
  session_ = model_->new_session(port);
  // Two chunks of the prompt, then one token a time, three layers each: the fourth token's pass.
  port.fail_wait(2 * 3 + 3 * 3 + 1);
  EXPECT_TRUE(fails(run({8, {}}), errc::deadline, {"in time"}));
  EXPECT_EQ(out_, ids(all.begin(), all.begin() + 4));
  EXPECT_EQ(stats_.tokens, 4u);
  EXPECT_EQ(stats_.reason, stop_reason::none);
  // The token that was given out last is not in the session yet; it is the next prompt.
  EXPECT_EQ(session_tokens(), prompt_and(3));
  prompt_ = {all[3]};
  ASSERT_TRUE(succeeds(run({4, {}})));
  EXPECT_EQ(out_, ids(all.begin() + 4, all.end()));
}

} // namespace
} // namespace larql::generate
