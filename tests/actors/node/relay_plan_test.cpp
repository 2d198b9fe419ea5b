// Mirrors actors/node/relay_plan.hpp.

#include "actors/node/relay_plan.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace larql::actors {
namespace {

using picks_t = std::vector<experts::assignment>;

/// A call over memory of its own: rows of three bytes and one scale.
struct made_call {
  explicit made_call(const picks_t& picks, std::uint32_t rows = 4) {
    for (const auto& p : picks) {
      pick_rows.push_back(p.row);
      ids.push_back(static_cast<std::uint16_t>(p.expert));
      weights.push_back(p.weight);
    }
    for (auto r = 0u; r < rows; ++r) {
      for (auto i = 0u; i < 3; ++i)
        x.push_back(static_cast<std::byte>(10 * r + i));
      scales.push_back(static_cast<float>(r));
    }
    call.layer = 1;
    call.rows = rows;
    call.format = quant::activation_format::q8_32;
    call.activations = x;
    call.scales = std::as_bytes(std::span{scales});
    call.pick_rows = std::as_bytes(std::span{pick_rows});
    call.pick_experts = std::as_bytes(std::span{ids});
    call.pick_weights = std::as_bytes(std::span{weights});
  }
  made_call(const made_call&) = delete;

  std::vector<std::uint32_t> pick_rows;
  std::vector<std::uint16_t> ids;
  std::vector<float> weights, scales;
  std::vector<std::byte> x;
  schema::expert_call call;
};

std::string text_of(const picks_t& picks) {
  auto out = std::string{};
  for (const auto& p : picks)
    out += fmt::format("{}{}@{}", out.empty() ? "" : " ", p.expert, p.row);
  return out;
}

constexpr auto mine = experts::ownership{{0, 1}, {0, 3}};

TEST(RelayPlan, OnlyWhatOthersOwnNeedsOthers) {
  EXPECT_FALSE(needs_others(made_call{{{0, 0, 1}, {1, 3, 1}}}.call, mine));
  EXPECT_TRUE(needs_others(made_call{{{0, 0, 1}, {1, 4, 1}}}.call, mine));
  EXPECT_TRUE(needs_others(made_call{{{0, 0, 1}}}.call, {{2, 3}, {0, 3}})) << "another layer";
  EXPECT_FALSE(needs_others(made_call{picks_t{}}.call, mine));
}

TEST(RelayPlan, PicksAreReadOrRefused) {
  const auto good = made_call{{{2, 1, 0.5f}, {0, 1, 2}, {3, 9, 1}}};
  const auto picks = picks_of(good.call);
  ASSERT_TRUE(picks) << picks.error().text;
  EXPECT_EQ(text_of(*picks), "1@2 1@0 9@3");
  EXPECT_EQ((*picks)[0].weight, 0.5f);
  const auto refused = [](const made_call& c) { return !picks_of(c.call); };
  EXPECT_TRUE(refused(made_call{{{4, 1, 1}}})) << "no such row";
  EXPECT_TRUE(refused(made_call{{{0, 2, 1}, {0, 1, 1}}})) << "not ascending";
  EXPECT_TRUE(refused(made_call{picks_t{}}));
  auto cut = made_call{{{0, 1, 1}}};
  cut.call.pick_weights = cut.call.pick_weights.first(3);
  EXPECT_TRUE(refused(cut));
  auto uneven = made_call{{{0, 1, 1}}};
  uneven.call.activations = uneven.call.activations.first(11);
  EXPECT_TRUE(refused(uneven)) << "rows of different length";
  auto none = made_call{{{0, 1, 1}}};
  none.call.rows = 0;
  EXPECT_TRUE(refused(none));
}

TEST(RelayPlan, EveryExpertGoesToOneOwnerAndFewOwnersAreAsked) {
  const auto picks = picks_t{{0, 4, 1}, {1, 5, 1}, {0, 6, 1}, {1, 6, 1}, {2, 9, 1}};
  const auto owners = std::vector<owner_offer>{
      {{{0, 1}, {4, 5}}, 3}, {{{0, 1}, {4, 6}}, 1}, {{{0, 0}, {0, 99}}, 0}};
  const auto s = split_picks(1, picks, owners);
  ASSERT_EQ(s.parts.size(), 1u);
  EXPECT_EQ(s.parts[0].owner, 1u) << "the one with fewer calls, which has the others, too";
  EXPECT_EQ(text_of(s.parts[0].picks), "4@0 5@1 6@0 6@1");
  EXPECT_EQ(s.missing, (std::vector<std::uint32_t>{9})) << "it is owned in another layer only";
  EXPECT_FALSE(s.is_crowded);
}

TEST(RelayPlan, WhoHasTooManyCallsIsNotAskedAndThatIsSaid) {
  const auto picks = picks_t{{0, 4, 1}};
  auto owners = std::vector<owner_offer>{{{{0, 1}, {4, 5}}, schema::call_window}};
  auto s = split_picks(1, picks, owners);
  EXPECT_TRUE(s.parts.empty());
  EXPECT_TRUE(s.is_crowded);
  owners[0] = {{{0, 1}, {4, 5}}, 0, true};
  s = split_picks(1, picks, owners);
  EXPECT_TRUE(s.parts.empty());
  EXPECT_FALSE(s.is_crowded);
}

TEST(RelayPlan, APartHasItsRowsAndNumbersThemAnew) {
  const auto c = made_call{{{3, 4, 1}, {1, 5, 2}, {3, 5, 3}}};
  const auto picks = picks_t{{3, 4, 1}, {1, 5, 2}, {3, 5, 3}};
  auto builder = part_builder{};
  const auto rows = rows_in(picks);
  EXPECT_EQ(rows, (std::vector<std::uint32_t>{1, 3}));
  const auto p = builder.make(c.call, picks, rows);
  EXPECT_TRUE(p.direct);
  EXPECT_EQ(p.rows, 2u);
  EXPECT_EQ(p.layer, 1u);
  EXPECT_EQ(p.format, quant::activation_format::q8_32);
  const auto bytes = [](std::span<const std::byte> s) {
    return std::vector<std::byte>{s.begin(), s.end()};
  };
  EXPECT_EQ(bytes(p.activations), (std::vector{std::byte{10}, std::byte{11}, std::byte{12},
                                               std::byte{30}, std::byte{31}, std::byte{32}}));
  auto scale = 0.0f;
  std::memcpy(&scale, p.scales.data() + 4, 4);
  EXPECT_EQ(scale, 3);
  const auto again = picks_of(p);
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(text_of(*again), "4@1 5@0 5@1");
}

TEST(RelayPlan, ACallOfAllRowsIsNotCopied) {
  const auto picks = picks_t{{0, 4, 1}, {1, 4, 1}};
  const auto c = made_call{picks, 2};
  auto builder = part_builder{};
  const auto p = builder.make(c.call, picks, rows_in(picks));
  EXPECT_EQ(p.activations.data(), c.call.activations.data());
  EXPECT_EQ(p.scales.data(), c.call.scales.data());
}

} // namespace
} // namespace larql::actors
