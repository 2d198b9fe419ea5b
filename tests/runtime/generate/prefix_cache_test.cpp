// Mirrors runtime/generate/prefix_cache.hpp.

#include "runtime/generate/prefix_cache.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/run_model.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

namespace larql::generate {
namespace {

using test::succeeds;
using ids = std::vector<std::uint32_t>;

class PrefixCache : public testing::Test {
protected:
  PrefixCache() {
    auto o = test::tiny_options{};
    o.window = 40;
    vindex_.emplace(o);
    auto options = test::run_options{};
    options.context = 1000;
    model_ = *test::running_model::open(vindex_->path(), options);
  }

  static ids text(std::size_t n, std::uint64_t seed = 7) { return test::random_ids(n, 128, seed); }
  static ids joined(ids a, const ids& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  std::unique_ptr<sequence> read(const ids& tokens, std::uint32_t mark = 0) {
    auto s = model_->new_sequence();
    if (mark != 0)
      s->mark_ahead(boundary::system, mark);
    EXPECT_TRUE(succeeds(model_->executor().append(*s, tokens)));
    return s;
  }
  static std::uint32_t size(const ids& tokens) { return static_cast<std::uint32_t>(tokens.size()); }
  std::vector<float> last(const sequence& s) {
    const auto l = *model_->executor().last_logits(s);
    return {l.begin(), l.end()};
  }
  void expect_answers(prefix_cache& c, const ids& prompt, std::uint32_t cached) {
    auto found = c.find("", prompt, size(prompt) - 1);
    const auto have = found.start == nullptr ? 0u : found.start->size();
    EXPECT_EQ(have, cached);
    auto s = found.start != nullptr ? std::move(found.start) : model_->new_sequence();
    ASSERT_TRUE(succeeds(model_->executor().append(*s, std::span{prompt}.subspan(have))));
    EXPECT_EQ(last(*s), last(*read(prompt)));
  }

  std::optional<test::tiny_vindex> vindex_;
  std::unique_ptr<test::running_model> model_;
};

TEST_F(PrefixCache, FindsNothingInNothing) {
  auto c = prefix_cache{{}, nullptr};
  EXPECT_EQ(c.find("", text(10), 9).start, nullptr);
  EXPECT_FALSE(c.drop_oldest());
  EXPECT_EQ(c.bytes(), 0u);
}

TEST_F(PrefixCache, AConversationGoesOnWhereItEnded) {
  auto c = prefix_cache{{}, nullptr};
  const auto first = text(300);
  c.insert("", read(first));
  expect_answers(c, joined(first, text(20, 2)), 300);
}

TEST_F(PrefixCache, TheSamePromptAgainReadsOnlyItsLastToken) {
  auto c = prefix_cache{{}, nullptr};
  c.insert("", read(text(300)));
  expect_answers(c, text(300), 299);
}

TEST_F(PrefixCache, AnotherTurnBehindTheSameSystemBlockBeginsAtItsBoundary) {
  auto c = prefix_cache{{}, nullptr};
  const auto system = text(400);
  c.insert("", read(joined(system, text(200, 2)), 400));
  expect_answers(c, joined(system, text(100, 3)), 400);
}

TEST_F(PrefixCache, TheLongestPrefixWins) {
  auto c = prefix_cache{{}, nullptr};
  const auto system = text(200);
  c.insert("", read(joined(system, text(300, 2)), 200));
  c.insert("", read(joined(system, text(250, 3)), 200));
  expect_answers(c, joined(joined(system, text(300, 2)), text(9, 4)), 500);
  expect_answers(c, joined(joined(system, text(250, 3)), text(9, 4)), 450);
  expect_answers(c, joined(system, text(9, 4)), 200);
}

TEST_F(PrefixCache, OwnersDoNotSeeEachOthersUnlessTheyShare) {
  for (const auto shared : {false, true}) {
    auto c = prefix_cache{{~std::uint64_t{0}, shared}, nullptr};
    c.insert("alice", read(text(300)));
    EXPECT_EQ(c.reach("alice", text(300), 300), 300u);
    EXPECT_EQ(c.reach("bob", text(300), 300), shared ? 300u : 0u);
    EXPECT_EQ(c.reach("", text(300), 300), shared ? 300u : 0u);
    EXPECT_EQ(c.find("bob", text(300), 299).start != nullptr, shared);
  }
}

TEST_F(PrefixCache, AShortPrefixIsNotWorthItsMemory) {
  auto c = prefix_cache{{}, nullptr};
  c.insert("", read(text(10)));
  EXPECT_EQ(c.find("", text(30), 29, 16).start, nullptr);
  EXPECT_NE(c.find("", text(30), 29, 10).start, nullptr);
}

TEST_F(PrefixCache, ALongerTextTakesThePlaceOfItsBeginning) {
  auto c = prefix_cache{{}, nullptr};
  const auto first = text(300);
  c.insert("", read(first));
  auto found = c.find("", joined(first, text(50, 2)), 349);
  ASSERT_TRUE(succeeds(model_->executor().append(*found.start, text(50, 2))));
  c.insert("", std::move(found.start), found.parent);
  EXPECT_EQ(c.size(), 1u);
  c.insert("bob", read(first));
  EXPECT_EQ(c.size(), 2u) << "that of another owner stays";
}

TEST_F(PrefixCache, TheLeastRecentlyUsedGoesFirst) {
  auto c = prefix_cache{{}, nullptr};
  for (auto i = 1u; i <= 3; ++i)
    c.insert("", read(text(100, i)));
  ASSERT_NE(c.find("", joined(text(100, 1), text(5, 9)), 100).start, nullptr);
  ASSERT_TRUE(c.drop_oldest());
  EXPECT_EQ(c.reach("", text(100, 2), 100), 0u);
  EXPECT_EQ(c.reach("", text(100, 1), 100), 100u);
  EXPECT_EQ(c.reach("", text(100, 3), 100), 100u);
  EXPECT_EQ(c.evictions(), 1u);
}

TEST_F(PrefixCache, WhatOthersHaveGrownOutOfGoesBeforeTheRest) {
  auto c = prefix_cache{{}, nullptr};
  const auto system = text(100);
  c.insert("", read(text(100, 50))); // another conversation, older
  c.insert("", read(joined(system, text(100, 2)), 100));
  auto found = c.find("", joined(system, text(50, 3)), 149); // an answer's thoughts were left out
  ASSERT_TRUE(succeeds(model_->executor().append(*found.start, text(50, 3))));
  c.insert("", std::move(found.start), found.parent);
  ASSERT_EQ(c.size(), 3u);
  ASSERT_TRUE(c.drop_oldest());
  EXPECT_EQ(c.reach("", text(100, 50), 100), 100u);
  EXPECT_EQ(c.reach("", joined(system, text(50, 3)), 150), 150u);
}

TEST_F(PrefixCache, KeepsItsBudgetAndCountsSharedBlocksOnce) {
  const auto one = [&] {
    auto c = prefix_cache{{}, nullptr};
    c.insert("", read(text(320)));
    return c.bytes();
  }();
  auto c = prefix_cache{{3 * one, false}, nullptr};
  for (auto i = 1u; i <= 8; ++i) {
    c.insert("", read(text(320, i)));
    EXPECT_LE(c.bytes(), 3 * one);
  }
  EXPECT_EQ(c.size(), 3u);
  EXPECT_EQ(model_->kv()->used_bytes(), c.bytes()) << "what is gone is given back";
  auto shared = prefix_cache{{}, nullptr};
  shared.insert("a", read(text(320)));
  auto fork = shared.find("a", joined(text(320), {1}), 320);
  shared.insert("b", std::move(fork.start));
  EXPECT_EQ(shared.size(), 2u);
  EXPECT_EQ(shared.bytes(), one);
}

TEST_F(PrefixCache, ASequenceThatIsTooLargeIsNotKept) {
  auto c = prefix_cache{{1, false}, nullptr};
  c.insert("", read(text(100)));
  EXPECT_EQ(c.size(), 0u);
  EXPECT_EQ(c.bytes(), 0u);
  EXPECT_EQ(model_->kv()->used_bytes(), 0u);
}

TEST_F(PrefixCache, WhatACondemnedNodeHadAPartInIsNotUsed) {
  auto ledger = experts::maker_ledger{};
  const auto liar = ledger.set_of(7);
  auto c = prefix_cache{{}, &ledger};
  auto s = read(text(100)); // made here
  // The last 60 tokens of the first one were made with the liar.
  const auto rows = std::vector<float>(60 * model_->model().config.hidden);
  ASSERT_TRUE(succeeds(s->cache().prepare(100, 160)));
  s->commit(text(60, 2), rows, {liar, 0});
  c.insert("", std::move(s));
  EXPECT_EQ(c.reach("", joined(text(100), text(60, 2)), 160), 160u);
  ASSERT_TRUE(ledger.condemn(7, "lied"));
  const auto found = c.find("", joined(text(100), text(60, 2)), 159);
  ASSERT_NE(found.start, nullptr);
  EXPECT_EQ(found.start->size(), 100u);
}

TEST_F(PrefixCache, WhatWasInUseWhileANodeWasCondemnedIsNotUsedEither) {
  auto ledger = experts::maker_ledger{};
  const auto liar = ledger.set_of(7);
  auto c = prefix_cache{{}, &ledger};
  auto s = read(text(100)); // made here
  const auto rows = std::vector<float>(60 * model_->model().config.hidden);
  ASSERT_TRUE(succeeds(s->cache().prepare(100, 160)));
  s->commit(text(60, 2), rows, {liar, 0});
  ASSERT_TRUE(ledger.condemn(7, "lied"));
  EXPECT_EQ(c.find("", text(10), 9).start, nullptr); // the cache has seen that somebody lied
  c.insert("", std::move(s));
  const auto found = c.find("", joined(text(100), text(60, 2)), 159);
  ASSERT_NE(found.start, nullptr);
  EXPECT_EQ(found.start->size(), 100u);
}

} // namespace
} // namespace larql::generate
