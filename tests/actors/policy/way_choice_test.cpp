// Mirrors actors/policy/way_choice.hpp.

#include "actors/policy/way_choice.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;

constexpr auto direct = std::uint64_t{0}, relay = std::uint64_t{7};

/// A cluster in which ways take so long.
struct world {
  std::chrono::nanoseconds by_direct, by_relay;
  std::vector<way_offer> offers{{direct, 34'000}, {relay, 14'500}};

  /// Chooses and measures; which way it was.
  std::uint64_t pass(way_choice& c) const {
    const auto w = c.choose(offers);
    c.taken(w, w.id == direct ? by_direct : by_relay);
    return w.id;
  }
  int relayed(way_choice& c, int passes) const {
    auto n = 0;
    for (auto i = 0; i < passes; ++i)
      n += pass(c) == relay;
    return n;
  }
};

TEST(WayChoice, BothAreTriedAndTheOneWithFewerBytesFirst) {
  auto c = way_choice{};
  const auto w = world{10ms, 5ms};
  for (auto i = 0u; i < way_choice::enough; ++i)
    EXPECT_EQ(w.pass(c), relay);
  for (auto i = 0u; i < way_choice::enough; ++i)
    EXPECT_EQ(w.pass(c), direct);
  EXPECT_EQ(w.pass(c), relay);
}

TEST(WayChoice, TheFasterIsTakenAndTheOtherLookedAtNowAndThen) {
  auto c = way_choice{};
  const auto slow_relay = world{1ms, 3ms};
  (void) slow_relay.relayed(c, 8);
  EXPECT_EQ(slow_relay.relayed(c, 640), 10) << "less than two percent";
  auto other = way_choice{};
  const auto fast_relay = world{3ms, 1ms};
  (void) fast_relay.relayed(other, 8);
  EXPECT_EQ(fast_relay.relayed(other, 640), 630);
}

TEST(WayChoice, AChangeIsNoticed) {
  auto c = way_choice{};
  (void) world{1ms, 3ms}.relayed(c, 100);
  const auto changed = world{8ms, 3ms}; // the way that is taken became slower
  (void) changed.relayed(c, 20);
  EXPECT_GT(changed.relayed(c, 100), 90);
  auto other = way_choice{};
  (void) world{4ms, 6ms}.relayed(other, 100);
  const auto better = world{4ms, 1ms}; // the other one became faster
  (void) better.relayed(other, 64 * 12);
  EXPECT_GT(better.relayed(other, 100), 90);
}

TEST(WayChoice, SizesAreJudgedApart) {
  auto c = way_choice{};
  const auto token = world{1ms, 2ms};
  auto prompt = world{500ms, 100ms};
  prompt.offers = {{direct, 256 * 34'000}, {relay, 256 * 14'500}};
  (void) token.relayed(c, 8);
  (void) prompt.relayed(c, 8);
  EXPECT_EQ(token.pass(c), direct);
  EXPECT_EQ(prompt.pass(c), relay);
}

TEST(WayChoice, WithoutARelayThereIsNothingToChoose) {
  auto c = way_choice{};
  const auto only = std::vector<way_offer>{{direct, 34'000}};
  for (auto i = 0; i < 200; ++i)
    EXPECT_EQ(c.choose(only).id, direct);
}

TEST(WayChoice, ARelayThatIsForgottenIsMeasuredAnew) {
  auto c = way_choice{};
  const auto w = world{1ms, 3ms};
  (void) w.relayed(c, 8);
  EXPECT_EQ(w.pass(c), direct);
  c.forget(relay);
  EXPECT_EQ(w.pass(c), relay);
}

TEST(WayChoice, OfSeveralRelaysEachHasItsTurn) {
  auto c = way_choice{};
  const auto offers = std::vector<way_offer>{{direct, 900}, {1, 500}, {2, 400}};
  auto counts = std::vector<int>(3);
  for (auto i = 0; i < 12 + 64 * 4; ++i) {
    const auto w = c.choose(offers);
    ++counts[w.id];
    c.taken(w, w.id == 1 ? 1ms : 2ms);
  }
  EXPECT_EQ(counts[direct], 4 + 2);
  EXPECT_EQ(counts[2], 4 + 2);
}

} // namespace
} // namespace larql::actors
