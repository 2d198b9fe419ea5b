// Mirrors runtime/speculation/controller.hpp, acceptance.hpp and pass_cost.hpp, in worlds whose
// clocks and dice are known.

#include "runtime/speculation/controller.hpp"

#include "runtime/generate/random.hpp"
#include "runtime/speculation/acceptance.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

namespace larql::speculation {
namespace {

using ids = std::vector<std::uint32_t>;

generate::draft_tree chain_of(std::size_t drafts, float chance) {
  auto out = generate::draft_tree::chain(ids(drafts, 1u));
  std::fill(out.chances.begin(), out.chances.end(), chance);
  return out;
}

ids first(std::size_t n) {
  auto out = ids(n);
  for (auto i = 0u; i < n; ++i)
    out[i] = i;
  return out;
}

/// A link and a text: what passes take, and how often drafts are right.
struct world {
  std::function<double(std::uint32_t rows)> seconds;
  double right = 0;
  float claimed = 0.5f;    ///< what the drafter says
  std::size_t drafts = 31; ///< that it has
};

/// One answer, pass by pass.
class simulation {
public:
  explicit simulation(world w, std::uint64_t seed = 1) : world_(std::move(w)), seed_(seed) {}

  void run(std::uint64_t tokens) {
    for (const auto end = tokens_ + tokens; tokens_ < end;)
      pass();
  }
  void change(world w) { world_ = std::move(w); }

  [[nodiscard]] double seconds() const noexcept { return seconds_; }
  [[nodiscard]] std::uint64_t tokens() const noexcept { return tokens_; }
  [[nodiscard]] std::uint64_t passes() const noexcept { return passes_; }
  [[nodiscard]] std::uint64_t with_drafts() const noexcept { return with_drafts_; }

private:
  void pass() {
    auto drafts = chain_of(world_.drafts, world_.claimed);
    auto worth = std::vector<float>{};
    seen_.worth_of(drafts, worth);
    const auto n = control_.choose(worth, 1, 1);
    auto right = std::size_t{0};
    while (right < n && dice() < world_.right)
      ++right;
    if (n != 0)
      seen_.add(chain_of(n, world_.claimed), first(right));
    const auto took = world_.seconds(1 + static_cast<std::uint32_t>(n));
    control_.add({1, static_cast<std::uint32_t>(n), 1, right + 1, took});
    seconds_ += took;
    tokens_ += right + 1;
    ++passes_;
    with_drafts_ += n != 0 ? 1 : 0;
  }
  double dice() {
    return static_cast<double>(generate::random_bits(seed_, rolled_++)) / 9007199254740992.0;
  }

  world world_;
  std::uint64_t seed_;
  std::uint64_t rolled_ = 0;
  controller control_;
  acceptance seen_;
  double seconds_ = 0;
  std::uint64_t tokens_ = 0, passes_ = 0, with_drafts_ = 0;
};

std::function<double(std::uint32_t)> line(double one, double more) {
  return [=](std::uint32_t rows) { return one + more * (rows - 1); };
}

// Tokens per second of the best number of drafts.
double best_speed(const world& w) {
  auto best = 0.0;
  for (auto k = 0u; k <= w.drafts; ++k) {
    const auto tokens = w.right < 1 ? (1 - std::pow(w.right, k + 1)) / (1 - w.right) : k + 1.0;
    best = std::max(best, tokens / w.seconds(1 + k));
  }
  return best;
}

TEST(SpeculationController, FindsTheBestNumberOfDrafts) {
  for (const auto right : {0.5, 0.7, 0.85, 0.95})
    for (const auto& clock : {line(1.41, 0.027), line(1.41, 0.068), line(0.036, 0.004)}) {
      const auto w = world{clock, right, static_cast<float>(right)};
      auto s = simulation{w};
      s.run(1000);
      const auto before = s.seconds();
      const auto had = s.tokens();
      s.run(3000);
      EXPECT_GT(static_cast<double>(s.tokens() - had) / (s.seconds() - before), 0.9 * best_speed(w))
          << "right " << right << ", a row " << clock(2) - clock(1);
    }
}

TEST(SpeculationController, ADrafterThatIsWrongAboutItselfIsSeenThrough) {
  const auto modest = world{line(1.41, 0.027), 0.9, 0.1f};
  auto s = simulation{modest};
  s.run(2000);
  EXPECT_GT(static_cast<double>(s.tokens()) / s.seconds(), 0.8 * best_speed(modest));
  const auto boasting = world{line(1.0, 0.3), 0.1, 0.95f};
  auto t = simulation{boasting};
  t.run(2000);
  EXPECT_LT(static_cast<double>(t.with_drafts()) / static_cast<double>(t.passes()), 0.1);
}

TEST(SpeculationController, NeverLosesMoreThanThreePercentOverTwoHundredTokens) {
  for (const auto claimed : {0.3f, 0.6f, 0.99f})
    for (const auto right : {0.0, 0.05, 0.3})
      for (const auto more : {0.001, 0.1, 0.5, 1.0})
        for (auto seed = std::uint64_t{1}; seed <= 5; ++seed) {
          const auto plain = 0.05;
          auto s = simulation{{line(plain, plain * more), right, claimed}, seed};
          for (auto part = 0; part < 5; ++part) {
            const auto before = s.seconds();
            const auto had = s.tokens();
            s.run(200);
            EXPECT_LE(s.seconds() - before,
                      1.03 * plain * static_cast<double>(s.tokens() - had) + plain)
                << "says " << claimed << ", is right " << right << ", a row costs " << more;
          }
        }
}

TEST(SpeculationController, ExploresInNoMoreThanTwoPercentOfPasses) {
  auto s = simulation{{line(1, 1), 0.0, 0.5f}}; // drafts never pay
  s.run(100);
  const auto before = s.with_drafts(), passes = s.passes();
  s.run(5000);
  EXPECT_LE(static_cast<double>(s.with_drafts() - before),
            0.02 * static_cast<double>(s.passes() - passes));
}

TEST(SpeculationController, ComesBackWhenTheTextBecomesOneThatIsQuoted) {
  auto w = world{line(1.41, 0.027), 0.0, 0.3f};
  auto s = simulation{w};
  s.run(1000);
  w.right = 0.95;
  w.claimed = 0.9f; // the match is long
  s.change(w);
  s.run(300);
  const auto before = s.seconds();
  const auto had = s.tokens();
  s.run(2000);
  EXPECT_GT(static_cast<double>(s.tokens() - had) / (s.seconds() - before), 0.8 * best_speed(w));
}

TEST(SpeculationController, HasNoDraftsWithoutAnyOnOfferOrBeforePlainPasses) {
  auto c = controller{};
  const auto worth = std::vector<float>{0.9f, 0.8f};
  EXPECT_EQ(c.choose(worth, 1, 1), 0u);
  c.add({1, 0, 1, 1, 0.5});
  c.add({1, 0, 1, 1, 0.5});
  EXPECT_EQ(c.choose({}, 1, 1), 0u);
  EXPECT_EQ(c.choose(worth, 1, 1), 2u);
  EXPECT_EQ(c.choose(worth, 2, 2), 0u) << "two answers were never seen without drafts";
}

TEST(SpeculationController, AsksSlowDraftersOnlyWhileThatPays) {
  const auto worth = std::vector<float>{0.9f, 0.8f, 0.7f};
  for (const auto right : {0u, 3u}) {
    auto c = controller{};
    auto seconds = 0.0;
    auto tokens = 0u, asked = 0u, passes = 0u;
    for (; tokens < 1000; ++passes) {
      const auto asks = c.may_ask();
      asked += asks ? 1 : 0;
      const auto n = asks ? static_cast<std::uint32_t>(c.choose(worth, 1, 1)) : 0;
      const auto gave = 1 + std::min(n, right);
      const auto drafting = asks ? 0.2 : 0.0;
      c.add({1, n, 1, gave, 1.0 + 0.01 * n, drafting});
      seconds += 1.0 + 0.01 * n + drafting;
      tokens += gave;
    }
    if (right == 0) {
      EXPECT_LE(seconds, 1.03 * tokens + 1);
      EXPECT_LT(asked, passes / 20);
    } else {
      EXPECT_LT(seconds, 0.4 * tokens);
      EXPECT_GT(asked, passes * 9 / 10);
    }
  }
}

// ---- what passes cost ---------------------------------------------------------------------------

TEST(PassCost, IsALineThroughWhatWasSeen) {
  auto c = pass_cost{};
  EXPECT_FALSE(c.seconds(1));
  c.add(1, 1.0);
  EXPECT_DOUBLE_EQ(*c.seconds(9), 1.0) << "nothing says that rows cost anything";
  EXPECT_DOUBLE_EQ(*c.at_most(9), 9.0);
  c.add(5, 1.4);
  EXPECT_NEAR(*c.seconds(3), 1.2, 1e-9);
  EXPECT_NEAR(*c.seconds(9), 1.8, 1e-9);
  EXPECT_NEAR(*c.at_most(3), 1.4, 1e-9);
  EXPECT_NEAR(*c.at_most(10), 2.8, 1e-9);
  EXPECT_EQ(c.seen(5), 1u);
  EXPECT_EQ(c.seen(4), 0u);
}

TEST(PassCost, ComputingGrowsWithTheDistinctExperts) {
  auto c = pass_cost{{128, 8}};
  c.set_compute_share(1);
  c.add(1, 1.0);
  EXPECT_NEAR(*c.seconds(2), 15.5 / 8, 1e-9);
  EXPECT_NEAR(*c.seconds(1000), 16.0, 1e-6) << "all of them";
  auto all = pass_cost{{8, 8}};
  all.set_compute_share(1);
  all.add(1, 1.0);
  EXPECT_NEAR(*all.seconds(7), 1.0, 1e-9) << "every row uses them all";
}

TEST(PassCost, FollowsWhatChangesAndForgetsWhatIsOld) {
  auto c = pass_cost{};
  c.add(8, 9.0);
  for (auto i = 0; i < 30; ++i)
    c.add(1, 1.0);
  for (auto i = 0; i < 30; ++i)
    c.add(1, 2.0);
  EXPECT_NEAR(*c.seconds(1), 2.0, 1e-2);
  EXPECT_NEAR(*c.seconds(8), 9.0, 1e-9);
  for (auto i = 0; i < 300; ++i)
    c.add(1, 2.0);
  EXPECT_NEAR(*c.seconds(8), 2.0, 1e-2) << "long ago";
}

// ---- how often drafts are right -----------------------------------------------------------------

TEST(Acceptance, BelievesTheDrafterFirstAndThenWhatWasSeen) {
  auto a = acceptance{};
  EXPECT_FLOAT_EQ(a.of(0.8f, 3), 0.8f);
  for (auto i = 0; i < 100; ++i)
    a.add(chain_of(1, 0.8f), i % 4 == 0 ? first(1) : ids{});
  EXPECT_NEAR(a.of(0.8f, 1), 0.25f, 0.06f);
  EXPECT_LT(a.of(0.8f, 2), 0.5f) << "another position learns from it";
  EXPECT_FLOAT_EQ(a.of(0.1f, 1), 0.1f) << "drafts of another kind do not";
}

TEST(Acceptance, WhatComesBehindAWrongDraftSaysNothing) {
  auto a = acceptance{};
  for (auto i = 0; i < 50; ++i)
    a.add(chain_of(4, 0.5f), first(1)); // the second one is always wrong
  EXPECT_GT(a.of(0.5f, 1), 0.8f);
  EXPECT_LT(a.of(0.5f, 2), 0.2f);
  auto b = acceptance{};
  for (auto i = 0; i < 50; ++i)
    b.add(chain_of(2, 0.5f), first(2));
  EXPECT_GT(b.of(0.5f, 3), 0.5f) << "at least two were right: the third is no worse than they";
}

TEST(Acceptance, ChildrenOfADraftHaveTheirChancesEach) {
  auto tree = generate::draft_tree{};
  tree.add(1, -1, 0.7f);
  tree.add(2, -1, 0.2f);
  tree.add(3, 1, 0.9f);
  auto a = acceptance{};
  for (auto i = 0; i < 60; ++i)
    a.add(tree, ids{1, 2});
  EXPECT_LT(a.of(0.7f, 1), 0.2f);
  EXPECT_GT(a.of(0.2f, 1), 0.8f);
  auto worth = std::vector<float>{};
  a.worth_of(tree, worth);
  ASSERT_EQ(worth.size(), 3u);
  EXPECT_NEAR(worth[2], worth[1] * a.of(0.9f, 2), 1e-6);
}

TEST(Acceptance, CanBeKeptAndPutBack) {
  auto a = acceptance{}, b = acceptance{};
  for (auto i = 0; i < 20; ++i)
    a.add(chain_of(3, 0.6f), first(2));
  b.restore(a.cells());
  EXPECT_EQ(b.of(0.6f, 3), a.of(0.6f, 3));
}

} // namespace
} // namespace larql::speculation
