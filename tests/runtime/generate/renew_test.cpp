// Mirrors executor::renew and sequence::void_from: what a node that turned out to be wrong had a
// part in is computed again.

#include "runtime/generate/answer.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/lying_experts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using test::succeeds;
using ids = std::vector<std::uint32_t>;

class Renew : public testing::Test {
protected:
  void SetUp() override {
    auto options = test::run_options{};
    options.chunk = 4;
    options.context = 256;
    auto model = test::running_model::open(vindex_.path(), options);
    ASSERT_TRUE(succeeds(model));
    model_ = *std::move(model);
    port_.emplace(model_->port());
    run_ = model_->new_executor(*port_);
    sequence_ = model_->new_sequence();
  }
  static std::vector<float> last_of(executor& run, const sequence& s) {
    const auto l = run.last_logits(s);
    EXPECT_TRUE(succeeds(l));
    return l ? std::vector<float>{l->begin(), l->end()} : std::vector<float>{};
  }
  std::vector<float> honest(const ids& tokens) {
    const auto s = model_->new_sequence();
    EXPECT_TRUE(succeeds(model_->executor().append(*s, tokens)));
    return last_of(model_->executor(), *s);
  }
  /// @pre the last pass was over the last token
  std::vector<float> last() { return last_of(*run_, *sequence_); }
  /// How many tokens are read again.
  std::uint32_t renewed() {
    const auto count = run_->renew(*sequence_);
    EXPECT_TRUE(succeeds(count));
    return count ? *count : 0;
  }
  result<void> answer_to(const ids& prompt, std::size_t tokens) {
    auto o = generation_options{};
    o.max_tokens = tokens;
    auto g = generation{o};
    auto scratch = sampling_scratch{model_->compute().k};
    out_.clear();
    return answer(
        *run_, *sequence_, {prompt}, g, scratch,
        [&](const generation::step_result& step) {
          out_.insert(out_.end(), step.tokens.begin(), step.tokens.end());
        },
        {}, stats_);
  }

  test::tiny_vindex vindex_;
  std::unique_ptr<test::running_model> model_;
  std::optional<test::lying_experts> port_;
  std::unique_ptr<executor> run_;
  std::unique_ptr<sequence> sequence_;
  ids out_;
  answer_stats stats_;
};

TEST_F(Renew, NothingIsReadAgainWhileNobodyIsCondemned) {
  ASSERT_TRUE(succeeds(run_->append(*sequence_, test::random_ids(10, 128))));
  EXPECT_EQ(renewed(), 0u);
}

TEST_F(Renew, WhatALiarHadAPartInIsReadAgain) {
  const auto text = test::random_ids(12, 128);
  const auto all = std::span{text};
  ASSERT_TRUE(succeeds(run_->append(*sequence_, all.first(5))));
  port_->incarnation = 2;
  port_->lies = true;
  ASSERT_TRUE(succeeds(run_->append(*sequence_, all.subspan(5))));
  EXPECT_NE(last(), honest(text));
  port_->ledger.condemn(2, "its answer");
  EXPECT_EQ(sequence_->void_from(port_->ledger), 5u);
  port_->incarnation = 1;
  port_->lies = false;
  EXPECT_EQ(renewed(), 7u);
  EXPECT_EQ(sequence_->void_from(port_->ledger), 12u);
  EXPECT_EQ(ids(sequence_->tokens().begin(), sequence_->tokens().end()), text);
  EXPECT_EQ(last(), honest(text));
}

TEST_F(Renew, WhatWasComputedBeforeTheLastGoodCheckStays) {
  const auto text = test::random_ids(8, 128);
  ASSERT_TRUE(succeeds(run_->append(*sequence_, std::span{text}.first(4))));
  port_->ledger.found_right(1, std::chrono::steady_clock::now());
  ASSERT_TRUE(succeeds(run_->append(*sequence_, std::span{text}.subspan(4))));
  port_->ledger.condemn(1, "its answer");
  EXPECT_EQ(sequence_->void_from(port_->ledger), 4u);
}

TEST_F(Renew, TruncatingForgetsWhoComputedWhatIsGone) {
  ASSERT_TRUE(succeeds(run_->append(*sequence_, test::random_ids(4, 128))));
  port_->incarnation = 2;
  ASSERT_TRUE(succeeds(run_->append(*sequence_, test::random_ids(4, 128, 3))));
  EXPECT_EQ(sequence_->truncate(4), 4u);
  port_->ledger.condemn(2, "its answer");
  EXPECT_EQ(sequence_->void_from(port_->ledger), 4u);
}

TEST_F(Renew, AcceptedDraftsAreVoidAsWell) {
  ASSERT_TRUE(succeeds(run_->append(*sequence_, test::random_ids(4, 128))));
  port_->incarnation = 2;
  const auto drafts = ids{5, 6};
  const auto parents = std::vector<std::int32_t>{-1, 0};
  const auto part = executor::part{sequence_.get(), drafts, parents};
  ASSERT_TRUE(succeeds(run_->run({&part, 1})));
  const auto branch = ids{0, 1};
  ASSERT_TRUE(succeeds(sequence_->accept(branch)));
  port_->ledger.condemn(2, "its answer");
  EXPECT_EQ(sequence_->void_from(port_->ledger), 4u);
}

TEST_F(Renew, ALiarFoundWhileThePromptIsReadCostsNoToken) {
  const auto prompt = test::random_ids(9, 128);
  port_->lies = true;
  port_->before_batch = [&](std::size_t batch) {
    if (batch != 8) // the last batch of the prompt: three chunks of three layers
      return;
    port_->ledger.condemn(1, "its answer");
    port_->incarnation = 2;
    port_->lies = false;
  };
  ASSERT_TRUE(succeeds(answer_to(prompt, 6)));
  EXPECT_EQ(stats_.read_again, 9u);
  auto text = prompt;
  for (const auto token : out_) {
    EXPECT_EQ(token, argmax(honest(text)));
    text.push_back(token);
  }
}

TEST_F(Renew, ALiarFoundInTheMiddleOfAnAnswerIsForgottenFromThereOn) {
  const auto prompt = test::random_ids(6, 128);
  port_->before_batch = [&](std::size_t batch) {
    if (batch == 6 + 3) { // the second token lies
      port_->incarnation = 2;
      port_->lies = true;
    } else if (batch == 6 + 9) { // the fourth one is honest again
      port_->ledger.condemn(2, "its answer");
      port_->incarnation = 3;
      port_->lies = false;
    }
  };
  ASSERT_TRUE(succeeds(answer_to(prompt, 8)));
  ASSERT_EQ(out_.size(), 8u);
  EXPECT_GE(stats_.read_again, 2u);
  auto text = prompt;
  for (auto i = std::size_t{0}; i < out_.size(); ++i) {
    if (i >= 5) { // what follows depends on the tokens alone
      EXPECT_EQ(out_[i], argmax(honest(text))) << i;
    }
    text.push_back(out_[i]);
  }
}

// So much text that sliding layers have lost the beginning: only snapshots lead back there.
TEST_F(Renew, SnapshotsOfVoidPositionsAreVoid) {
  const auto prompt = test::random_ids(20, 128);
  const auto more = test::random_ids(130, 128, 4);
  ASSERT_TRUE(succeeds(run_->append(*sequence_, std::span{prompt}.first(6))));
  sequence_->mark(boundary::system, 6);
  port_->incarnation = 2;
  port_->lies = true;
  ASSERT_TRUE(succeeds(run_->append(*sequence_, std::span{prompt}.subspan(6))));
  sequence_->mark(boundary::turn, 20);
  ASSERT_TRUE(succeeds(run_->append(*sequence_, more)));
  port_->ledger.condemn(2, "its answer");
  port_->incarnation = 3;
  port_->lies = false;
  EXPECT_EQ(renewed(), 144u);
  ASSERT_EQ(sequence_->size(), 150u);
  // The snapshot at 20 held keys and values of the liar: nothing behind position 6 is left of it.
  EXPECT_EQ(sequence_->truncate(19), 6u);
  ASSERT_TRUE(succeeds(run_->append(*sequence_, std::span{prompt}.subspan(6))));
  EXPECT_EQ(last(), honest(prompt));
}

// More nodes than a set of makers tells apart: those beyond the 63rd share a bit.
TEST_F(Renew, EndsAlsoIfTheNewMakerCannotBeToldFromTheCondemnedOne) {
  for (auto i = 1000u; i < 1063; ++i)
    (void) port_->ledger.set_of(i);
  port_->incarnation = 1;
  port_->lies = true;
  const auto text = test::random_ids(9, 128);
  ASSERT_TRUE(succeeds(run_->append(*sequence_, text)));
  port_->incarnation = 2;
  port_->lies = false;
  ASSERT_EQ(port_->ledger.set_of(1), port_->ledger.set_of(2));
  port_->ledger.condemn(1, "its answer");
  EXPECT_EQ(renewed(), 9u);
  EXPECT_EQ(renewed(), 0u);
  EXPECT_EQ(last(), honest(text));
}

} // namespace
} // namespace larql::generate
