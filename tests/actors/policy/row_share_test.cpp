// Mirrors actors/policy/row_share.hpp.

#include "actors/policy/row_share.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace larql::actors {
namespace {

using rows = std::vector<std::uint32_t>;

row_demand answer(std::uint32_t client, std::uint64_t tokens = 0) {
  return {client, 1, false, tokens};
}
row_demand prompt(std::uint32_t client, std::uint32_t tokens, std::uint64_t order) {
  return {client, tokens, true, order};
}

TEST(RowShare, EverybodyGetsARowWhereThereAreEnough) {
  const auto demands = std::vector{answer(0), answer(1), answer(0), answer(2)};
  const auto had = std::vector<rows_had>{{90, 0}, {5, 0}, {0, 0}};
  EXPECT_EQ(share_rows(demands, had, 4), (rows{1, 1, 1, 1}));
  EXPECT_EQ(share_rows(demands, had, 100), (rows{1, 1, 1, 1}));
}

TEST(RowShare, WithoutDemandsThereAreNoRows) {
  EXPECT_EQ(share_rows({}, {}, 10), rows{});
}

TEST(RowShare, ManyAnswersOfAClientWeighAsMuchAsTheFewOfAnother) {
  auto demands = std::vector<row_demand>{};
  for (auto i = 0u; i < 64; ++i)
    demands.push_back(answer(0));
  for (auto i = 0u; i < 4; ++i)
    demands.push_back(answer(1));
  auto had = std::vector<rows_had>(2);
  for (auto pass = 0; pass < 100; ++pass) {
    const auto got = share_rows(demands, had, 8);
    EXPECT_EQ(std::accumulate(got.begin(), got.end(), 0u), 8u);
    for (auto i = std::size_t{0}; i < got.size(); ++i) {
      had[demands[i].client].decoded += got[i];
      demands[i].order += got[i];
    }
  }
  EXPECT_EQ(had[0].decoded, 400u);
  EXPECT_EQ(had[1].decoded, 400u);
  for (const auto& d : demands) // and each client's answers go on together
    EXPECT_NEAR(static_cast<double>(d.order), d.client == 0 ? 6.25 : 100, 1);
}

TEST(RowShare, WhatOneClientCannotUseOthersGet) {
  auto demands = std::vector{answer(0)};
  for (auto i = 0u; i < 10; ++i)
    demands.push_back(answer(1));
  const auto got = share_rows(demands, std::vector<rows_had>{{0, 0}, {1000, 0}}, 6);
  EXPECT_EQ(got[0], 1u);
  EXPECT_EQ(std::accumulate(got.begin(), got.end(), 0u), 6u);
}

TEST(RowShare, APromptGetsWhatDecodingLeaves) {
  const auto demands = std::vector{answer(0), prompt(1, 4096, 1), answer(2)};
  EXPECT_EQ(share_rows(demands, std::vector<rows_had>(3), 20), (rows{1, 18, 1}));
}

TEST(RowShare, APromptGetsAQuarterHoweverManyDecode) {
  auto demands = std::vector<row_demand>{};
  for (auto i = 0u; i < 100; ++i)
    demands.push_back(answer(i));
  demands.push_back(prompt(100, 4096, 0));
  auto had = std::vector<rows_had>(101);
  for (const auto budget : {1u, 4u, 5u, 40u, 100u}) {
    const auto got = share_rows(demands, had, budget);
    EXPECT_EQ(got.back(), (budget + 3) / 4) << budget;
    EXPECT_EQ(std::accumulate(got.begin(), got.end(), 0u), budget);
  }
}

TEST(RowShare, AShortPromptTakesNoMoreThanItNeeds) {
  const auto demands = std::vector{answer(0), answer(1), answer(2), answer(3), prompt(4, 1, 0)};
  EXPECT_EQ(share_rows(demands, std::vector<rows_had>(5), 5), (rows{1, 1, 1, 1, 1}));
}

TEST(RowShare, PromptsAreReadOneAfterTheOtherInTheOrderOfTheirComing) {
  const auto demands = std::vector{prompt(0, 500, 7), prompt(1, 100, 3), prompt(2, 500, 5)};
  const auto had = std::vector<rows_had>{{0, 0}, {0, 50}, {0, 0}};
  EXPECT_EQ(share_rows(demands, had, 256), (rows{0, 100, 156}));
}

TEST(RowShare, AClientFarAheadLetsOthersPromptsGoFirst) {
  auto demands = std::vector<row_demand>{};
  for (auto i = 0u; i < 64; ++i)
    demands.push_back(prompt(0, 1000, i));
  demands.push_back(prompt(1, 1000, 64));
  auto had = std::vector<rows_had>(2);
  auto passes = 0u;
  while (demands.back().rows != 0) {
    const auto got = share_rows(demands, had, 256);
    for (auto i = std::size_t{0}; i < got.size(); ++i) {
      had[demands[i].client].read += got[i];
      demands[i].rows -= got[i];
    }
    ASSERT_LT(++passes, 100u);
  }
  EXPECT_LE(passes, 14u) << "it was not kept waiting for 63 other prompts";
  EXPECT_LE(had[0].read, 3 * prompt_lead);
}

TEST(RowShare, WhoComesLaterDoesNotCatchUp) {
  const auto others = std::vector<rows_had>{{500, 3000}, {400, 5000}};
  const auto fresh = rows_on_arrival({}, others);
  EXPECT_EQ(fresh.decoded, 400u);
  EXPECT_EQ(fresh.read, 3000u);
  const auto back = rows_on_arrival({450, 100}, others);
  EXPECT_EQ(back.decoded, 450u);
  EXPECT_EQ(back.read, 3000u);
  EXPECT_EQ(rows_on_arrival({7, 8}, {}).read, 8u);
}

} // namespace
} // namespace larql::actors
