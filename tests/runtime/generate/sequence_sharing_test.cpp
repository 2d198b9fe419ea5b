// Mirrors runtime/generate/sequence.hpp, "sharing": sequences that share a prefix give the bits of
// those that have it to themselves, whatever becomes of the others.

#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using test::succeeds;
using ids = std::vector<std::uint32_t>;

class SequenceSharing : public testing::Test {
protected:
  SequenceSharing() {
    auto o = test::tiny_options{};
    o.window = 100;
    vindex_.emplace(o);
    auto options = test::run_options{};
    options.chunk = 50;
    options.context = 1000;
    model_ = *test::running_model::open(vindex_->path(), options);
  }

  executor& run() { return model_->executor(); }
  static ids text(std::size_t n, std::uint64_t seed = 7) { return test::random_ids(n, 128, seed); }
  std::unique_ptr<sequence> sequence_with(std::size_t n) {
    auto s = model_->new_sequence();
    EXPECT_TRUE(succeeds(run().append(*s, text(n))));
    return s;
  }
  std::vector<float> last(const sequence& s) {
    const auto l = *run().last_logits(s);
    return {l.begin(), l.end()};
  }
  void expect_goes_on(sequence& s, std::uint64_t seed = 5) {
    auto all = ids{s.tokens().begin(), s.tokens().end()};
    const auto more = text(30, seed);
    all.insert(all.end(), more.begin(), more.end());
    ASSERT_TRUE(succeeds(run().append(s, more)));
    const auto fresh = model_->new_sequence();
    ASSERT_TRUE(succeeds(run().append(*fresh, all)));
    EXPECT_EQ(last(s), last(*fresh));
  }

  std::optional<test::tiny_vindex> vindex_;
  std::unique_ptr<test::running_model> model_;
};

TEST_F(SequenceSharing, AForkHasTheTokensAndTheLastRow) {
  const auto s = sequence_with(130);
  const auto f = s->fork(130);
  EXPECT_EQ(f->size(), 130u);
  EXPECT_EQ(last(*f), last(*s)) << "without computing a layer";
}

TEST_F(SequenceSharing, ForksOfOnePromptGoTheirOwnWays) {
  const auto s = sequence_with(333);
  auto forks = std::vector<std::unique_ptr<sequence>>{};
  for (auto i = 0; i < 3; ++i)
    forks.push_back(s->fork(333));
  for (auto i = 0u; i < 3; ++i)
    expect_goes_on(*forks[i], 20 + i);
  expect_goes_on(*s, 40);
  for (auto i = 0u; i < 3; ++i)
    expect_goes_on(*forks[i], 60 + i);
}

TEST_F(SequenceSharing, AForkCostsOnlyWhatItWrites) {
  const auto s = sequence_with(600);
  const auto before = model_->kv()->used_bytes();
  const auto f = s->fork(600);
  EXPECT_EQ(model_->kv()->used_bytes(), before);
  ASSERT_TRUE(succeeds(run().append(*f, text(1, 3))));
  EXPECT_LT(model_->kv()->used_bytes(), before + before / 4) << "a block of each layer";
}

TEST_F(SequenceSharing, AForkLivesLongerThanWhatItWasTakenFrom) {
  auto s = sequence_with(200);
  const auto f = s->fork(190);
  s.reset();
  EXPECT_EQ(f->size(), 190u);
  expect_goes_on(*f);
}

TEST_F(SequenceSharing, AForkBeginsAtABoundaryWhereTheWindowIsGone) {
  const auto s = sequence_with(150);
  s->mark(boundary::system, 150);
  ASSERT_TRUE(succeeds(run().append(*s, text(400, 8))));
  EXPECT_EQ(s->reach(300), 150u);
  const auto f = s->fork(300);
  EXPECT_EQ(f->size(), 150u);
  expect_goes_on(*f);
  EXPECT_EQ(s->size(), 550u) << "the other one stays as it was";
  expect_goes_on(*s);
}

TEST_F(SequenceSharing, AForkInheritsTheSnapshotsBeforeItsEnd) {
  const auto s = sequence_with(150);
  s->mark(boundary::system, 150);
  ASSERT_TRUE(succeeds(run().append(*s, text(300, 8))));
  const auto f = s->fork(450);
  ASSERT_TRUE(succeeds(run().append(*f, text(300, 9))));
  EXPECT_EQ(f->truncate(200), 150u);
  expect_goes_on(*f);
}

TEST_F(SequenceSharing, NothingIsLeftWhereNoBoundaryIs) {
  const auto s = sequence_with(500);
  EXPECT_EQ(s->reach(150), 0u);
  const auto f = s->fork(150);
  EXPECT_EQ(f->size(), 0u);
  expect_goes_on(*f);
}

// ---- marks ahead --------------------------------------------------------------------------------

TEST_F(SequenceSharing, AMarkAheadIsTakenByThePassThatReachesIt) {
  for (const auto position : {49u, 50u, 51u, 120u, 150u}) { // passes end at multiples of 50
    SCOPED_TRACE(position);
    const auto s = model_->new_sequence();
    s->mark_ahead(boundary::system, position);
    ASSERT_TRUE(succeeds(run().append(*s, text(600))));
    EXPECT_EQ(s->truncate(position), position);
    expect_goes_on(*s);
  }
}

TEST_F(SequenceSharing, AMarkAheadOfATextThatIsForgottenIsForgottenToo) {
  const auto s = sequence_with(90);
  s->mark_ahead(boundary::system, 120);
  ASSERT_EQ(s->truncate(80), 80u);
  ASSERT_TRUE(succeeds(run().append(*s, text(500, 3))));
  EXPECT_EQ(s->reach(120), 0u);
}

TEST_F(SequenceSharing, IntervalsGoBeforeTurnsWhenSnapshotsTakeTooMuch) {
  auto o = sequence_options{};
  o.max_context = 1000;
  const auto probe = *sequence::create(model_->model(), model_->kv(), o);
  ASSERT_TRUE(succeeds(run().append(*probe, text(200))));
  o.snapshot_bytes = probe->kv_bytes() / 2; // about one window
  const auto s = *sequence::create(model_->model(), model_->kv(), o);
  s->mark_ahead(boundary::turn, 150);
  s->mark_ahead(boundary::interval, 350);
  s->mark_ahead(boundary::interval, 550);
  ASSERT_TRUE(succeeds(run().append(*s, text(900))));
  EXPECT_EQ(s->reach(150), 150u);
  EXPECT_EQ(s->reach(360), 150u);
}

// ---- shared prefixes ----------------------------------------------------------------------------

TEST_F(SequenceSharing, APrefixIsAdoptedByAnEmptySequence) {
  auto s = sequence_with(300);
  auto p = s->share(300);
  EXPECT_EQ(p.tokens, text(300));
  s.reset();
  const auto other = model_->new_sequence();
  ASSERT_TRUE(other->cache().can_adopt(p.kv));
  other->adopt(std::move(p));
  EXPECT_EQ(other->size(), 300u);
  expect_goes_on(*other);
}

TEST_F(SequenceSharing, APrefixWithTooFewBlocksIsNotAdopted) {
  const auto s = sequence_with(300);
  const auto empty = model_->new_sequence();
  for (auto layer = std::size_t{0}; layer < 3; ++layer) {
    auto p = s->share(300);
    p.kv.layers[layer].blocks.pop_back();
    EXPECT_FALSE(empty->cache().can_adopt(p.kv));
    p = s->share(300);
    p.kv.layers[layer].first_block += 4;
    EXPECT_FALSE(empty->cache().can_adopt(p.kv));
  }
  auto p = s->share(300);
  p.kv.layers.pop_back();
  EXPECT_FALSE(empty->cache().can_adopt(p.kv));
  p = s->share(300);
  p.kv.end = 1001;
  EXPECT_FALSE(empty->cache().can_adopt(p.kv));
}

TEST_F(SequenceSharing, WhatASequenceHeldGoesBackWithItsLastHolder) {
  {
    auto s = sequence_with(300);
    const auto f = s->fork(280);
    auto p = f->share(280);
    s.reset();
  }
  EXPECT_EQ(model_->kv()->used_bytes(), 0u);
}

} // namespace
} // namespace larql::generate
