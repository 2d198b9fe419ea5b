// Mirrors runtime/generate/session.hpp: appending, refusing, failing, cancelling. Truncating is in
// session_truncate_test.cpp.

#include "runtime/generate/session.hpp"

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

// Tests share one vindex and one loaded model; each makes its own sessions.
class Session : public testing::Test {
protected:
  static void SetUpTestSuite() {
    vindex_ = std::make_unique<test::tiny_vindex>();
    auto options = test::run_options{};
    options.chunk = 4;
    options.context = 40;
    model_ = *test::running_model::open(vindex_->path(), options);
  }
  static void TearDownTestSuite() {
    model_.reset();
    vindex_.reset();
  }

  static ids prompt(std::size_t n) { return test::random_ids(n, 128); }
  static std::vector<float> last(session& s) {
    const auto l = *s.last_logits();
    return {l.begin(), l.end()};
  }
  // Logits after `all` in a session that never failed.
  static std::vector<float> want(const ids& all) {
    const auto s = model_->new_session();
    EXPECT_TRUE(succeeds(s->append(all)));
    return last(*s);
  }

  static std::unique_ptr<test::tiny_vindex> vindex_;
  static std::unique_ptr<test::running_model> model_;
};
std::unique_ptr<test::tiny_vindex> Session::vindex_;
std::unique_ptr<test::running_model> Session::model_;

TEST_F(Session, RemembersWhatWasAppended) {
  const auto s = model_->new_session();
  EXPECT_TRUE(s->tokens().empty());
  EXPECT_EQ(s->max_context(), 40u);
  const auto all = prompt(11);
  ASSERT_TRUE(succeeds(s->append({all.data(), 7})));
  ASSERT_TRUE(succeeds(s->append({all.data() + 7, 4})));
  EXPECT_EQ(ids(s->tokens().begin(), s->tokens().end()), all);
}

TEST_F(Session, HowTokensArriveDoesNotMatter) {
  const auto all = prompt(20);
  const auto expected = want(all);
  for (const auto split : {1u, 3u, 4u, 5u, 19u}) {
    const auto s = model_->new_session();
    ASSERT_TRUE(succeeds(s->append({all.data(), split})));
    ASSERT_TRUE(succeeds(s->append({all.data() + split, all.size() - split})));
    EXPECT_EQ(last(*s), expected) << split;
  }
}

TEST_F(Session, GivesTheLogitsOfEveryPositionInOrder) {
  const auto all = prompt(10);
  const auto s = model_->new_session();
  auto rows = std::vector<std::vector<float>>{};
  ASSERT_TRUE(succeeds(
      s->append(all, [&](std::span<const float> l) { rows.emplace_back(l.begin(), l.end()); })));
  ASSERT_EQ(rows.size(), 10u);
  for (auto n = 1u; n <= 10; ++n)
    EXPECT_EQ(rows[n - 1], want({all.begin(), all.begin() + n})) << n;
}

TEST_F(Session, AppendingNothingChangesNothing) {
  const auto s = model_->new_session();
  EXPECT_TRUE(succeeds(s->append({})));
  const auto all = prompt(5);
  ASSERT_TRUE(succeeds(s->append(all)));
  EXPECT_TRUE(succeeds(s->append({})));
  EXPECT_EQ(last(*s), want(all));
}

TEST_F(Session, LastLogitsMayBeAskedForTwice) {
  const auto s = model_->new_session();
  ASSERT_TRUE(succeeds(s->append(prompt(6))));
  const auto first = last(*s);
  EXPECT_EQ(last(*s), first);
}

// ---- refusals -----------------------------------------------------------------------------------

TEST_F(Session, ATokenOutsideTheVocabularyIsRefusedBeforeAnythingRuns) {
  const auto s = model_->new_session();
  EXPECT_TRUE(fails(s->append(ids{1, 2, 128}), errc::usage, {"128", "vocabulary"}));
  EXPECT_TRUE(fails(s->append(ids{~0u}), errc::usage, {"4294967295"}));
  EXPECT_TRUE(s->tokens().empty());
}

TEST_F(Session, MoreThanTheContextIsRefusedAndExactlyTheContextIsNot) {
  const auto s = model_->new_session();
  EXPECT_TRUE(fails(s->append(prompt(41)), errc::usage, {"41 tokens after 0", "40"}));
  ASSERT_TRUE(succeeds(s->append(prompt(30))));
  EXPECT_TRUE(fails(s->append(prompt(11)), errc::usage, {"11 tokens after 30", "40"}));
  EXPECT_TRUE(succeeds(s->append(prompt(10))));
  EXPECT_TRUE(fails(s->append(prompt(1)), errc::usage, {"1 tokens after 40"}));
  EXPECT_EQ(s->tokens().size(), 40u);
}

TEST_F(Session, OptionsThatMakeNoSenseAreNamed) {
  const auto create = [&](std::uint32_t context, std::uint32_t chunk) {
    auto o = session_options{};
    o.max_context = context, o.chunk = chunk;
    return session::create(model_->model(), model_->compute(), model_->port(), o);
  };
  EXPECT_TRUE(fails(create(100, 0), errc::usage, {"chunk is 0"}));
  EXPECT_TRUE(fails(create(100, 65537), errc::usage, {"chunk is 65537"}));
  EXPECT_TRUE(fails(create(0, 1), errc::usage, {"context is 0"}));
  EXPECT_TRUE(fails(create((1 << 24) + 1, 1), errc::usage, {"context is 16777217"}));
  EXPECT_TRUE(succeeds(create(1, 65536)));
}

TEST_F(Session, LogitsBeforeAnyTokenAreACallersBug) {
  const auto s = model_->new_session();
  EXPECT_DEATH((void) s->last_logits(), "check failed");
}

// ---- failures -----------------------------------------------------------------------------------

TEST_F(Session, AnExpertCallThatFailsAnywhereLosesOnlyItsChunk) {
  const auto all = prompt(14); // chunks of 4, 4, 4, 2; three layers each
  const auto expected = want(all);
  for (auto call = 0u; call < 12; ++call)
    for (const auto at_start : {true, false}) {
      SCOPED_TRACE(fmt::format("{} {}", at_start ? "start" : "wait", call));
      auto port = test::failing_experts{model_->port()};
      const auto s = model_->new_session(port);
      if (at_start)
        port.fail_start(call);
      else
        port.fail_wait(call);
      const auto failed = s->append(all);
      if (at_start)
        EXPECT_TRUE(fails(failed, errc::unavailable, {fmt::format("layer {}", call % 3)}));
      else
        EXPECT_TRUE(fails(failed, errc::deadline, {"in time"}));
      const auto kept = call / 3 * 4;
      ASSERT_EQ(s->tokens().size(), kept);
      // The logits of what was kept are still there...
      if (kept > 0) {
        EXPECT_EQ(last(*s), want({all.begin(), all.begin() + kept}));
      }
      // ...and the rest goes on as if nothing had happened.
      ASSERT_TRUE(succeeds(s->append({all.data() + kept, all.size() - kept})));
      EXPECT_EQ(last(*s), expected);
    }
}

TEST_F(Session, AfterAFailureOtherTokensMayFollow) {
  const auto all = prompt(12);
  auto port = test::failing_experts{model_->port()};
  const auto s = model_->new_session(port);
  ASSERT_TRUE(succeeds(s->append({all.data(), 8})));
  port.fail_wait(1);
  EXPECT_FALSE(s->append({all.data() + 8, 4}));
  const auto other = ids{5, 6, 7};
  ASSERT_TRUE(succeeds(s->append(other)));
  auto both = ids{all.begin(), all.begin() + 8};
  both.insert(both.end(), other.begin(), other.end());
  EXPECT_EQ(last(*s), want(both));
}

TEST_F(Session, ACancelledAppendLosesOnlyItsChunk) {
  const auto all = prompt(14);
  const auto expected = want(all);
  for (auto stop_at = 0u; stop_at < 12; ++stop_at) {
    SCOPED_TRACE(stop_at);
    const auto s = model_->new_session();
    auto asked = 0u;
    s->cancelled = [&] { return asked++ == stop_at; };
    EXPECT_TRUE(fails(s->append(all), errc::cancelled, {fmt::format("layer {}", stop_at % 3)}));
    const auto kept = stop_at / 3 * 4;
    ASSERT_EQ(s->tokens().size(), kept);
    if (kept > 0) {
      EXPECT_EQ(last(*s), want({all.begin(), all.begin() + kept}));
    }
    ASSERT_TRUE(succeeds(s->append({all.data() + kept, all.size() - kept})));
    EXPECT_EQ(last(*s), expected);
  }
}

TEST_F(Session, ManySessionsOfAModelDoNotDisturbEachOther) {
  const auto a = prompt(9), b = test::random_ids(9, 128, 99);
  const auto first = model_->new_session(), second = model_->new_session();
  for (auto i = 0u; i < 9; ++i) {
    ASSERT_TRUE(succeeds(first->append({&a[i], 1})));
    ASSERT_TRUE(succeeds(second->append({&b[i], 1})));
  }
  EXPECT_EQ(last(*first), want(a));
  EXPECT_EQ(last(*second), want(b));
}

} // namespace
} // namespace larql::generate
