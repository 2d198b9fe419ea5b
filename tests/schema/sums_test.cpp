// Mirrors schema/sums.hpp.

#include "schema/sums.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace larql::schema {
namespace {

using numbers = std::vector<std::int64_t>;

struct packed {
  std::vector<std::byte> widths;
  std::vector<std::byte> bytes;
};

packed pack(const numbers& sums, std::size_t hidden) {
  auto out = packed{};
  pack_sums(sums, hidden, quant::sum_format::exact, out.widths, out.bytes);
  return out;
}

std::uint8_t width_of(const numbers& row) {
  const auto p = pack(row, row.size());
  EXPECT_EQ(p.widths.size(), 1u);
  EXPECT_EQ(p.bytes.size(), row.size() * static_cast<std::size_t>(p.widths[0]));
  return static_cast<std::uint8_t>(p.widths[0]);
}

numbers unpack(const packed& p, std::size_t hidden) {
  auto out = numbers(p.widths.size() * hidden, 0);
  auto bytes = std::span{std::as_const(p.bytes)};
  for (auto r = std::size_t{0}; r < p.widths.size(); ++r) {
    const auto width = static_cast<std::uint8_t>(p.widths[r]);
    add_packed(bytes.first(hidden * width), width, std::span{out}.subspan(r * hidden, hidden));
    bytes = bytes.subspan(hidden * width);
  }
  return out;
}

constexpr auto smallest = std::numeric_limits<std::int64_t>::min();
constexpr auto largest = std::numeric_limits<std::int64_t>::max();

TEST(Sums, TakesTheFewestBytesThatHoldARow) {
  EXPECT_EQ(width_of({0, 0}), 4);
  for (auto width = 4; width < 8; ++width) {
    const auto limit = std::int64_t{1} << (8 * width - 1);
    EXPECT_EQ(width_of({0, limit - 1}), width) << width;
    EXPECT_EQ(width_of({0, -limit}), width) << width;
    EXPECT_EQ(width_of({0, limit}), width + 1) << width;
    EXPECT_EQ(width_of({0, -limit - 1}), width + 1) << width;
  }
  EXPECT_EQ(width_of({largest}), 8);
  EXPECT_EQ(width_of({smallest}), 8);
}

TEST(Sums, ReturnsTheSameNumbersAtEveryWidthBoundary) {
  auto row = numbers{0, 1, -1, largest, smallest, largest - 1, smallest + 1};
  for (auto bits = 7; bits < 63; ++bits)
    for (const auto offset : {-1, 0, 1}) {
      row.push_back((std::int64_t{1} << bits) + offset);
      row.push_back(-(std::int64_t{1} << bits) + offset);
    }
  EXPECT_EQ(unpack(pack(row, row.size()), row.size()), row);
  for (const auto x : row) // alone, so that the row's width is the number's own
    EXPECT_EQ(unpack(pack({x, 0, x}, 3), 3), (numbers{x, 0, x})) << x;
}

TEST(Sums, GivesEachRowItsOwnWidth) {
  const auto sums = numbers{1, 2, 1LL << 40, -5, -1, largest};
  const auto p = pack(sums, 2);
  EXPECT_EQ(p.widths, (std::vector{std::byte{4}, std::byte{6}, std::byte{8}}));
  EXPECT_EQ(p.bytes.size(), 2u * (4 + 6 + 8));
  EXPECT_EQ(unpack(p, 2), sums);
}

TEST(Sums, AppendsToWhatIsThere) {
  auto p = pack({7, 8}, 2);
  pack_sums(numbers{-9, 1LL << 50}, 2, quant::sum_format::exact, p.widths, p.bytes);
  EXPECT_EQ(unpack(p, 2), (numbers{7, 8, -9, 1LL << 50}));
}

TEST(Sums, ReturnsRandomRowsOfEveryMagnitude) {
  auto random = test::random_source{1};
  for (auto round = 0; round < 200; ++round) {
    const auto hidden = 1 + random.below(40), rows = 1 + random.below(5);
    auto sums = numbers(std::size_t{hidden} * rows);
    for (auto& x : sums)
      x = static_cast<std::int64_t>(random.bits()) >> random.below(64);
    const auto p = pack(sums, hidden);
    EXPECT_TRUE(check_sums(p.widths, p.bytes, rows, hidden));
    EXPECT_EQ(unpack(p, hidden), sums);
  }
}

TEST(Sums, AddToWhatOtherShardsGaveAndWrapAround) {
  const auto p = pack({largest, smallest, -3, 4}, 4);
  auto sums = numbers{1, -1, 10, -10};
  add_packed(p.bytes, 8, sums);
  EXPECT_EQ(sums, (numbers{smallest, largest, 7, -6}));
}

TEST(Sums, OrderOfShardsDoesNotMatter) {
  auto random = test::random_source{2};
  auto shards = std::vector<numbers>(5, numbers(16));
  for (auto& s : shards)
    for (auto& x : s)
      x = static_cast<std::int64_t>(random.bits()) >> random.below(40);
  const auto total = [](const std::vector<numbers>& all) {
    auto out = numbers(16, 0);
    for (const auto& s : all) {
      const auto p = pack(s, 16);
      add_packed(p.bytes, static_cast<std::uint8_t>(p.widths[0]), out);
    }
    return out;
  };
  const auto expected = total(shards);
  std::reverse(shards.begin(), shards.end());
  EXPECT_EQ(total(shards), expected);
}

TEST(Sums, RefusesAnswersWhoseSizesDisagree) {
  const auto good = pack({1, 2, 3, 1LL << 33}, 2);
  ASSERT_EQ(good.widths, (std::vector{std::byte{4}, std::byte{5}}));
  EXPECT_TRUE(check_sums(good.widths, good.bytes, 2, 2));
  const auto text = [&](const packed& p, std::size_t rows, std::size_t hidden) {
    const auto checked = check_sums(p.widths, p.bytes, rows, hidden);
    return checked ? std::string{"accepted"} : checked.error().text;
  };
  EXPECT_EQ(text(good, 1, 2), "result: widths has 2 entries, expected 1");
  EXPECT_EQ(text(good, 3, 2), "result: widths has 2 entries, expected 3");
  EXPECT_EQ(text(good, 2, 3), "result: sums has 18 bytes, expected 27");
  for (const auto wrong : {9, 16, 255}) {
    auto p = good;
    p.widths[1] = static_cast<std::byte>(wrong);
    EXPECT_EQ(text(p, 2, 2), fmt::format("result: widths holds {}, expected 4 to 8", wrong));
  }
  auto p = good;
  p.bytes.pop_back();
  EXPECT_EQ(text(p, 2, 2), "result: sums has 17 bytes, expected 18");
  p.bytes.resize(19);
  EXPECT_EQ(text(p, 2, 2), "result: sums has 19 bytes, expected 18");
  EXPECT_EQ(text({}, 2, 2), "result: widths has 0 entries, expected 2");
}

// ---- complete rows ------------------------------------------------------------------------------

// As every version of the kernels converts sums (docs/numerics.md).
std::vector<float> floats_of(const numbers& sums) {
  auto out = std::vector<float>{};
  for (const auto s : sums)
    out.push_back(static_cast<float>(static_cast<double>(s) * 0x1p-32));
  return out;
}

TEST(CompleteRows, GiveTheSumsWhoseFloatsAreTheSame) {
  auto random = test::random_source{3};
  auto sums =
      numbers{0, 1, -1, 1LL << 24, (1LL << 24) + 1, (1LL << 53) + 1, -(1LL << 62), 1LL << 31};
  for (auto i = 0; i < 1000; ++i)
    sums.push_back(static_cast<std::int64_t>(random.bits()) >> (1 + random.below(62)));
  auto p = packed{};
  put_complete_row(floats_of(sums), p.widths, p.bytes);
  ASSERT_EQ(p.widths, (std::vector{std::byte{complete_row}}));
  ASSERT_EQ(p.bytes.size(), 4 * sums.size());
  auto read = numbers(sums.size());
  const auto ok = read_complete_row(p.bytes, read);
  ASSERT_TRUE(ok) << ok.error().text;
  EXPECT_EQ(floats_of(read), floats_of(sums));
}

TEST(CompleteRows, WhatIsNoSumIsRefused) {
  const auto inf = std::numeric_limits<float>::infinity();
  for (const auto x :
       {inf, -inf, std::numeric_limits<float>::quiet_NaN(), 0x1p31f, -0x1p40f, 0x1p-33f, 1e-30f}) {
    auto p = packed{};
    put_complete_row(std::vector{1.0f, x}, p.widths, p.bytes);
    auto sums = numbers(2);
    EXPECT_FALSE(read_complete_row(p.bytes, sums)) << x;
  }
}

TEST(CompleteRows, StandOnlyWhereTheCallSaysThatTheRowIsWhole) {
  auto p = pack({1, 2}, 2);
  put_complete_row(std::vector{1.0f, 2.0f}, p.widths, p.bytes);
  const auto whole = std::vector{std::byte{0}, std::byte{1}};
  EXPECT_TRUE(check_sums(p.widths, p.bytes, 2, 2, {whole}));
  for (const auto& other :
       {std::vector<std::byte>{std::byte{1}, std::byte{0}}, std::vector<std::byte>{}}) {
    const auto checked = check_sums(p.widths, p.bytes, 2, 2, {other});
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().text, "result: row 1 is complete, but other sums belong to it");
  }
  EXPECT_FALSE(check_sums(p.widths, std::span{p.bytes}.first(15), 2, 2, {whole}));
}

} // namespace
} // namespace larql::schema
