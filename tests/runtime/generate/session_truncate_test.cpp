// Mirrors runtime/generate/session.hpp, truncate(): what is kept, and that going on from there
// gives the bits of a session that never saw the rest.

#include "runtime/generate/session.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/fake_experts.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using test::succeeds;
using ids = std::vector<std::uint32_t>;

constexpr auto window = 8u; // of the tiny model
constexpr auto chunk = 4u;
constexpr auto ring = window + chunk - 1;

class SessionTruncate : public testing::Test {
protected:
  explicit SessionTruncate(const test::tiny_options& o = {}) : vindex_(o) {
    auto options = test::run_options{};
    options.chunk = chunk;
    options.context = 60;
    model_ = *test::running_model::open(vindex_.path(), options);
  }

  std::unique_ptr<session> session_with(std::size_t n) {
    auto s = model_->new_session();
    EXPECT_TRUE(succeeds(s->append(test::random_ids(n, 128))));
    return s;
  }

  // After truncating to what is kept, other tokens give what they give in a fresh session.
  void expect_goes_on(session& s) {
    auto all = ids{s.tokens().begin(), s.tokens().end()};
    const auto more = test::random_ids(9, 128, 5);
    all.insert(all.end(), more.begin(), more.end());
    ASSERT_TRUE(succeeds(s.append(more)));
    const auto fresh = model_->new_session();
    ASSERT_TRUE(succeeds(fresh->append(all)));
    const auto got = *s.last_logits(), want = *fresh->last_logits();
    EXPECT_EQ(std::vector<float>(got.begin(), got.end()),
              std::vector<float>(want.begin(), want.end()));
  }

  test::tiny_vindex vindex_;
  std::unique_ptr<test::running_model> model_;
};

TEST_F(SessionTruncate, BeforeTheRingWrapsAnyPrefixIsKept) {
  for (auto count = 0u; count <= ring; ++count) {
    SCOPED_TRACE(count);
    const auto s = session_with(ring);
    EXPECT_EQ(s->truncate(count), count);
    EXPECT_EQ(s->tokens().size(), count);
    expect_goes_on(*s);
  }
}

TEST_F(SessionTruncate, AfterTheRingWrappedOneChunkCanBeTakenBack) {
  for (auto count = 0u; count <= 30; ++count) {
    SCOPED_TRACE(count);
    const auto s = session_with(30);
    const auto kept = s->truncate(count);
    EXPECT_EQ(kept, count + chunk >= 30 ? count : 0);
    EXPECT_EQ(s->tokens().size(), kept);
    expect_goes_on(*s);
  }
}

TEST_F(SessionTruncate, WhatWasOverwrittenLaterCounts) {
  // Back by 4, forward by 2, back by 3: position 29 was the furthest ever, so 25 is out of reach.
  const auto s = session_with(30);
  ASSERT_EQ(s->truncate(26), 26u);
  ASSERT_TRUE(succeeds(s->append(ids{1, 2})));
  EXPECT_EQ(s->truncate(25), 0u);
  expect_goes_on(*s);
  const auto t = session_with(30);
  ASSERT_EQ(t->truncate(26), 26u);
  ASSERT_TRUE(succeeds(t->append(ids{1, 2})));
  EXPECT_EQ(t->truncate(27), 27u);
  expect_goes_on(*t);
}

TEST_F(SessionTruncate, PositionsOfAFailedChunkCountAsWritten) {
  auto port = test::failing_experts{model_->port()};
  const auto s = model_->new_session(port);
  ASSERT_TRUE(succeeds(s->append(test::random_ids(30, 128))));
  port.fail_wait(2); // all three layers have written positions 30 to 33
  ASSERT_FALSE(s->append(test::random_ids(4, 128)));
  EXPECT_EQ(s->truncate(29), 0u);
  expect_goes_on(*s);
}

TEST_F(SessionTruncate, ToItsOwnLengthOrMoreChangesNothing) {
  const auto s = session_with(20);
  const auto before = *s->last_logits();
  const auto want = std::vector<float>(before.begin(), before.end());
  EXPECT_EQ(s->truncate(20), 20u);
  EXPECT_EQ(s->truncate(~0u), 20u);
  const auto after = *s->last_logits();
  EXPECT_EQ(std::vector<float>(after.begin(), after.end()), want);
  expect_goes_on(*s);
}

TEST_F(SessionTruncate, ToNothingIsAFreshSession) {
  const auto s = session_with(30);
  EXPECT_EQ(s->truncate(0), 0u);
  EXPECT_TRUE(s->tokens().empty());
  expect_goes_on(*s);
  EXPECT_DEATH((s->truncate(0), (void) s->last_logits()), "check failed");
}

test::tiny_options full_only() {
  auto o = test::tiny_options{};
  o.period = 1;
  return o;
}
class SessionTruncateFull : public SessionTruncate {
protected:
  SessionTruncateFull() : SessionTruncate(full_only()) {}
};

TEST_F(SessionTruncateFull, WithoutSlidingLayersAnyPrefixIsKept) {
  for (const auto count : {1u, 10u, 49u}) {
    const auto s = session_with(50);
    EXPECT_EQ(s->truncate(count), count);
    expect_goes_on(*s);
  }
}

} // namespace
} // namespace larql::generate
