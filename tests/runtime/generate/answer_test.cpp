// Mirrors runtime/generate/answer.hpp: every way in which an answer ends, and what the sequence and
// the numbers say afterwards.

#include "runtime/generate/answer.hpp"

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

class Answer : public testing::Test {
protected:
  Answer() {
    auto options = test::run_options{};
    options.chunk = 4;
    options.context = 24;
    model_ = *test::running_model::open(vindex_.path(), options);
    sequence_ = model_->new_sequence();
  }

  result<void> run(executor& e, std::size_t max_tokens, const ids& stop_tokens = {}) {
    auto o = generation_options{};
    o.max_tokens = max_tokens;
    o.stop_tokens = stop_tokens;
    auto g = generation{o};
    auto scratch = sampling_scratch{model_->compute().k};
    auto stop = std::stop_source{};
    out_.clear();
    return answer(
        e, *sequence_, {prompt_, marks_}, g, scratch,
        [&](const generation::step_result& step) {
          out_.insert(out_.end(), step.tokens.begin(), step.tokens.end());
          if (out_.size() == stop_after_)
            stop.request_stop();
        },
        stop.get_token(), stats_);
  }
  result<void> run(std::size_t max_tokens, const ids& stop_tokens = {}) {
    return run(model_->executor(), max_tokens, stop_tokens);
  }

  ids sequence_tokens() const { return {sequence_->tokens().begin(), sequence_->tokens().end()}; }
  ids prompt_and(std::size_t n) const {
    auto all = prompt_;
    all.insert(all.end(), out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(n));
    return all;
  }

  test::tiny_vindex vindex_;
  std::unique_ptr<test::running_model> model_;
  std::unique_ptr<sequence> sequence_;
  ids prompt_ = test::random_ids(6, 128);
  std::vector<marked_position> marks_;
  ids out_;
  std::size_t stop_after_ = ~std::size_t{0};
  answer_stats stats_;
};

TEST_F(Answer, GreedyTokensAreTheLargestLogitsOneAfterTheOther) {
  ASSERT_TRUE(succeeds(run(5)));
  ASSERT_EQ(out_.size(), 5u);
  const auto fresh = model_->new_sequence();
  ASSERT_TRUE(succeeds(model_->executor().append(*fresh, prompt_)));
  for (const auto t : out_) {
    EXPECT_EQ(t, argmax(*model_->executor().last_logits(*fresh)));
    ASSERT_TRUE(succeeds(model_->executor().append(*fresh, {&t, 1})));
  }
}

TEST_F(Answer, EndsAtTheLimitWithoutReadingTheLastToken) {
  ASSERT_TRUE(succeeds(run(5)));
  EXPECT_EQ(stats_.reason, end_reason::max_tokens);
  EXPECT_EQ(stats_.tokens, 5u);
  EXPECT_EQ(stats_.prompt_tokens, 6u);
  EXPECT_EQ(stats_.token_times.size(), 4u); // the first one has its own time
  EXPECT_GT(stats_.to_first_token.count(), 0);
  EXPECT_LE(stats_.prefill, stats_.to_first_token);
  EXPECT_EQ(sequence_tokens(), prompt_and(4));
}

TEST_F(Answer, AStopTokenEndsItAndIsNotGivenOut) {
  ASSERT_TRUE(succeeds(run(8)));
  const auto all = out_;
  const auto stop = all[3];
  const auto first =
      static_cast<std::size_t>(std::find(all.begin(), all.end(), stop) - all.begin());
  sequence_ = model_->new_sequence();
  ASSERT_TRUE(succeeds(run(8, {127, stop})));
  EXPECT_EQ(out_, ids(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(first)));
  EXPECT_EQ(stats_.reason, end_reason::stop_token);
  EXPECT_EQ(stats_.tokens, first);
  EXPECT_EQ(sequence_tokens(), prompt_and(first));
}

TEST_F(Answer, AStopTokenMayBeTheFirst) {
  ASSERT_TRUE(succeeds(run(1)));
  const auto stop = out_[0];
  sequence_ = model_->new_sequence();
  ASSERT_TRUE(succeeds(run(8, {stop})));
  EXPECT_TRUE(out_.empty());
  EXPECT_EQ(stats_.reason, end_reason::stop_token);
  EXPECT_EQ(sequence_tokens(), prompt_);
}

TEST_F(Answer, TheCallerMayStopItAfterAToken) {
  stop_after_ = 3;
  ASSERT_TRUE(succeeds(run(8)));
  EXPECT_EQ(out_.size(), 3u);
  EXPECT_EQ(stats_.reason, end_reason::stopped);
  EXPECT_EQ(sequence_tokens(), prompt_and(2));
}

TEST_F(Answer, StoppedInThePromptItIsNoFailureAndKeepsWholeChunks) {
  auto port = test::failing_experts{model_->port()};
  auto stop = std::stop_source{};
  port.on_start = [&] {
    if (port.starts() == 4) // the second chunk's second layer
      stop.request_stop();
  };
  const auto e = model_->new_executor(port);
  auto g = generation{generation_options{}};
  auto scratch = sampling_scratch{model_->compute().k};
  ASSERT_TRUE(succeeds(answer(
      *e, *sequence_, {prompt_}, g, scratch, [](const auto&) {}, stop.get_token(), stats_)));
  EXPECT_EQ(stats_.reason, end_reason::stopped);
  EXPECT_EQ(stats_.tokens, 0u);
  EXPECT_EQ(sequence_->size(), 4u);
}

TEST_F(Answer, AFullContextEndsIt) {
  ASSERT_TRUE(succeeds(run(100)));
  // 24 places: 6 of the prompt, 18 generated, and one more token that has no place.
  EXPECT_EQ(stats_.reason, end_reason::context_full);
  EXPECT_EQ(out_.size(), 19u);
  EXPECT_EQ(sequence_tokens(), prompt_and(18));
}

TEST_F(Answer, APromptThatDoesNotFitIsRefused) {
  prompt_ = test::random_ids(25, 128);
  EXPECT_TRUE(fails(run(5), errc::usage, {"25 tokens", "24"}));
  EXPECT_EQ(stats_.tokens, 0u);
  prompt_.clear();
  EXPECT_TRUE(fails(run(5), errc::usage, {"prompt is empty"}));
}

TEST_F(Answer, ASecondTurnGoesOnInTheSameSequence) {
  ASSERT_TRUE(succeeds(run(3)));
  const auto before = sequence_tokens();
  prompt_ = {out_.back(), 7, 8};
  ASSERT_TRUE(succeeds(run(2)));
  const auto second = out_;
  auto all = before;
  all.insert(all.end(), prompt_.begin(), prompt_.end());
  sequence_ = model_->new_sequence();
  prompt_ = all;
  ASSERT_TRUE(succeeds(run(2)));
  EXPECT_EQ(out_, second);
}

TEST_F(Answer, MarksInThePromptDoNotChangeTheAnswer) {
  ASSERT_TRUE(succeeds(run(5)));
  const auto want = out_;
  sequence_ = model_->new_sequence();
  marks_ = {{boundary::system, 2}, {boundary::turn, 6}};
  ASSERT_TRUE(succeeds(run(5)));
  EXPECT_EQ(out_, want);
}

TEST_F(Answer, AFailureTellsHowFarItCameAndTheSequenceGoesOn) {
  ASSERT_TRUE(succeeds(run(8)));
  const auto all = out_;
  auto port = test::failing_experts{model_->port()};
  const auto e = model_->new_executor(port);
  sequence_ = model_->new_sequence();
  // Two chunks of the prompt, then one token a time, three layers each: the fourth token's pass.
  port.fail_wait(2 * 3 + 3 * 3 + 1);
  EXPECT_TRUE(fails(run(*e, 8), errc::deadline, {"in time"}));
  EXPECT_EQ(out_, ids(all.begin(), all.begin() + 4));
  EXPECT_EQ(stats_.tokens, 4u);
  EXPECT_EQ(stats_.reason, end_reason::none);
  // The token that was given out last is not in the sequence yet; it is the next prompt.
  EXPECT_EQ(sequence_tokens(), prompt_and(3));
  prompt_ = {all[3]};
  ASSERT_TRUE(succeeds(run(*e, 4)));
  EXPECT_EQ(out_, ids(all.begin() + 4, all.end()));
}

} // namespace
} // namespace larql::generate
