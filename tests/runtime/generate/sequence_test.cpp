// Mirrors runtime/generate/sequence.hpp: going back, snapshots at boundaries, and rows that are
// kept. Going on from wherever a sequence went back to gives the bits of one that never saw the
// rest.

#include "runtime/generate/sequence.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/fake_experts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using test::succeeds;
using ids = std::vector<std::uint32_t>;

// Longer than a block, so that windows begin and end anywhere in one.
test::tiny_options with_window(std::uint32_t window) {
  auto o = test::tiny_options{};
  o.window = window;
  return o;
}
constexpr auto window = 100u;
constexpr auto context = 1000u;

class Sequence : public testing::Test {
protected:
  explicit Sequence(const test::tiny_options& o = with_window(window)) : vindex_(o) {
    auto options = test::run_options{};
    options.chunk = 50;
    options.context = context;
    model_ = *test::running_model::open(vindex_.path(), options);
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

  /// Other tokens give what they give in a fresh sequence.
  void expect_goes_on(sequence& s) {
    auto all = ids{s.tokens().begin(), s.tokens().end()};
    const auto more = text(9, 5);
    all.insert(all.end(), more.begin(), more.end());
    ASSERT_TRUE(succeeds(run().append(s, more)));
    const auto fresh = model_->new_sequence();
    ASSERT_TRUE(succeeds(run().append(*fresh, all)));
    EXPECT_EQ(last(s), last(*fresh));
  }

  test::tiny_vindex vindex_;
  std::unique_ptr<test::running_model> model_;
};

// ---- going back without snapshots ---------------------------------------------------------------

TEST_F(Sequence, GoesBackAnywhereWhileAllPositionsAreInTheWindow) {
  for (const auto count : {0u, 1u, 63u, 64u, 65u, 99u}) {
    SCOPED_TRACE(count);
    const auto s = sequence_with(100);
    EXPECT_EQ(s->truncate(count), count);
    EXPECT_EQ(s->size(), count);
    expect_goes_on(*s);
  }
}

TEST_F(Sequence, GoesBackByTheSlackAtAnyLength) {
  for (const auto length : {300u, 333u, 448u})
    for (const auto back : {1u, 30u, 64u}) {
      SCOPED_TRACE(fmt::format("{} back from {}", back, length));
      const auto s = sequence_with(length);
      EXPECT_EQ(s->truncate(length - back), length - back);
      expect_goes_on(*s);
    }
}

TEST_F(Sequence, StartsAnewWhereTheWindowIsGone) {
  const auto s = sequence_with(500);
  EXPECT_EQ(s->truncate(150), 0u);
  EXPECT_EQ(s->size(), 0u);
  expect_goes_on(*s);
}

TEST_F(Sequence, ToItsOwnLengthOrMoreChangesNothing) {
  const auto s = sequence_with(200);
  const auto before = last(*s);
  EXPECT_EQ(s->truncate(200), 200u);
  EXPECT_EQ(s->truncate(~0u), 200u);
  EXPECT_EQ(last(*s), before);
  expect_goes_on(*s);
}

TEST_F(Sequence, AFailedChunkLeavesTheWindowAsItWas) {
  auto port = test::failing_experts{model_->port()};
  const auto e = model_->new_executor(port);
  const auto s = sequence_with(300);
  port.fail_wait(2); // all three layers have written the chunk's positions
  ASSERT_FALSE(e->append(*s, text(50, 3)));
  EXPECT_EQ(s->size(), 300u);
  EXPECT_EQ(s->truncate(250), 250u);
  expect_goes_on(*s);
}

test::tiny_options full_only() {
  auto o = test::tiny_options{};
  o.period = 1;
  return o;
}
class SequenceFull : public Sequence {
protected:
  SequenceFull() : Sequence(full_only()) {}
};

TEST_F(SequenceFull, WithoutSlidingLayersAnyPrefixIsKept) {
  for (const auto count : {1u, 100u, 499u}) {
    const auto s = sequence_with(500);
    EXPECT_EQ(s->truncate(count), count);
    expect_goes_on(*s);
  }
}

// ---- rows ---------------------------------------------------------------------------------------

TEST_F(Sequence, KeepsTheRowsOfItsLastPassSoThatGoingBackCostsNoLayer) {
  const auto all = text(50);
  const auto s = model_->new_sequence();
  ASSERT_TRUE(succeeds(run().append(*s, all)));
  const auto layers = run().stats().layers;
  for (const auto count : {45u, 44u, 1u}) {
    ASSERT_EQ(s->truncate(count), count);
    const auto got = last(*s);
    EXPECT_EQ(run().stats().layers, layers);
    const auto other = test::running_model::open(vindex_.path());
    const auto logits = *(*other)->logits({all.data(), count});
    EXPECT_EQ(got, std::vector<float>(logits.end() - 128, logits.end()));
  }
  EXPECT_FALSE(s->row_at(1));
  EXPECT_TRUE(s->row_at(0));
}

// ---- snapshots ----------------------------------------------------------------------------------

TEST_F(Sequence, GoesBackToAMarkedBoundaryAndALittleBeforeIt) {
  for (const auto mark : {130u, 192u, 255u})
    for (const auto before : {0u, 1u, 17u, 64u}) {
      SCOPED_TRACE(fmt::format("{} before a mark at {}", before, mark));
      const auto s = sequence_with(mark);
      s->mark(boundary::turn, mark);
      ASSERT_TRUE(succeeds(run().append(*s, text(400, 8))));
      EXPECT_EQ(s->truncate(mark - before), mark - before);
      expect_goes_on(*s);
    }
}

TEST_F(Sequence, GoesBackToTheLastMarkThatIsNotBehindTheWantedPosition) {
  const auto s = sequence_with(0);
  for (const auto position : {150u, 300u, 450u}) {
    ASSERT_TRUE(succeeds(run().append(*s, text(150, position))));
    s->mark(position == 150 ? boundary::system : boundary::turn, position);
  }
  ASSERT_TRUE(succeeds(run().append(*s, text(300, 1))));
  EXPECT_EQ(s->truncate(440), 440u); // a little before the last mark
  expect_goes_on(*s);
  EXPECT_EQ(s->truncate(350), 300u);
  expect_goes_on(*s);
  ASSERT_TRUE(succeeds(run().append(*s, text(300, 2))));
  EXPECT_EQ(s->truncate(200), 150u);
  expect_goes_on(*s);
}

TEST_F(Sequence, ASnapshotIsNotChangedByWhatComesLater) {
  const auto s = sequence_with(150);
  s->mark(boundary::turn, 150);
  for (auto i = 0u; i < 3; ++i) { // other texts from the same boundary, in shared blocks
    ASSERT_TRUE(succeeds(run().append(*s, text(200, 20 + i))));
    ASSERT_EQ(s->truncate(150), 150u);
  }
  expect_goes_on(*s);
}

TEST_F(Sequence, WhatASnapshotHasOfAForgottenTextIsNotUsed) {
  const auto s = sequence_with(200);
  s->mark(boundary::turn, 200);
  ASSERT_EQ(s->truncate(190), 190u);
  ASSERT_TRUE(succeeds(run().append(*s, text(300, 9)))); // 190 to 199 are other tokens now
  EXPECT_EQ(s->truncate(200), 190u);
  expect_goes_on(*s);
}

TEST_F(Sequence, KeepsTheSystemsBoundaryAndTheLastTwoTurns) {
  const auto s = sequence_with(120);
  s->mark(boundary::system, 120);
  for (auto turn = 1u; turn <= 3; ++turn) {
    ASSERT_TRUE(succeeds(run().append(*s, text(180, turn))));
    s->mark(boundary::turn, 120 + 180 * turn);
  }
  ASSERT_TRUE(succeeds(run().append(*s, text(200, 4))));
  EXPECT_EQ(s->truncate(480), 480u);
  EXPECT_EQ(s->truncate(300), 120u) << "the first turn's snapshot is gone";
  expect_goes_on(*s);
}

TEST_F(Sequence, SnapshotsStayWithinTheirBudget) {
  auto o = sequence_options{};
  o.max_context = context;
  o.snapshot_bytes = 0;
  const auto s = *sequence::create(model_->model(), model_->kv(), o);
  ASSERT_TRUE(succeeds(run().append(*s, text(150))));
  s->mark(boundary::turn, 150);
  const auto shared = s->kv_bytes(); // nothing of its own yet
  ASSERT_TRUE(succeeds(run().append(*s, text(150, 2))));
  s->mark(boundary::turn, 300);
  EXPECT_LE(s->kv_bytes(), 2 * shared);
  ASSERT_TRUE(succeeds(run().append(*s, text(300, 3))));
  EXPECT_EQ(s->truncate(150), 0u) << "what it held alone was more than nothing";
}

TEST_F(Sequence, MarkingWhatTheWindowHasLeftIsIgnored) {
  const auto s = sequence_with(600);
  s->mark(boundary::system, 100);
  EXPECT_EQ(s->truncate(100), 0u);
}

TEST_F(Sequence, BlocksGoBackWhenNothingHoldsThem) {
  {
    const auto s = sequence_with(300);
    s->mark(boundary::turn, 300);
    ASSERT_TRUE(succeeds(run().append(*s, text(300, 3))));
    EXPECT_EQ(model_->kv()->used_bytes(), s->kv_bytes());
  }
  EXPECT_EQ(model_->kv()->used_bytes(), 0u);
}

TEST_F(Sequence, AContextThatMakesNoSenseIsNamed) {
  for (const auto bad : {0u, (1u << 24) + 1}) {
    auto o = sequence_options{};
    o.max_context = bad;
    EXPECT_TRUE(test::fails(sequence::create(model_->model(), model_->kv(), o), errc::usage,
                            {fmt::format("context is {}", bad)}));
  }
}

} // namespace
} // namespace larql::generate
