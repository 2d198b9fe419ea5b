// Mirrors schema/rounded_sums.hpp, and what schema/sums.hpp makes of rounded rows.

#include "runtime/quant/half.hpp"
#include "schema/sums.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace larql::schema {
namespace {

using quant::sum_format;
using numbers = std::vector<std::int64_t>;

constexpr auto rounded_formats = {sum_format::f16, sum_format::bf16, sum_format::q8};

struct packed {
  std::vector<std::byte> widths;
  std::vector<std::byte> bytes;
};

packed pack(const numbers& sums, std::size_t hidden, sum_format f) {
  auto out = packed{};
  pack_sums(sums, hidden, f, out.widths, out.bytes);
  return out;
}

numbers unpack(const packed& p, std::size_t hidden) {
  auto out = numbers(p.widths.size() * hidden, 0);
  auto bytes = std::span{std::as_const(p.bytes)};
  for (auto r = std::size_t{0}; r < p.widths.size(); ++r) {
    const auto width = static_cast<std::uint8_t>(p.widths[r]);
    const auto size = row_bytes(width, hidden);
    add_packed(bytes.first(size), width, std::span{out}.subspan(r * hidden, hidden));
    bytes = bytes.subspan(size);
  }
  return out;
}

std::string checked(const packed& p, std::size_t hidden, sum_format asked) {
  const auto ok = check_sums(p.widths, p.bytes, p.widths.size(), hidden, {{}, asked});
  return ok ? "accepted" : ok.error().text;
}

std::int64_t units(double x) {
  return std::llrint(x * 0x1p32);
}

numbers random_row(test::random_source& random, std::size_t hidden, double scale) {
  auto out = numbers(hidden);
  for (auto& x : out)
    x = units((static_cast<double>(random.below(2'000'001)) - 1e6) * 1e-6 * scale);
  return out;
}

TEST(RoundedSums, TakeTwoBytesANumberOrOneAndAScalePerThirtyTwo) {
  const auto row = numbers(70, units(1.5));
  EXPECT_EQ(pack(row, 70, sum_format::f16).bytes.size(), 140u);
  EXPECT_EQ(pack(row, 70, sum_format::bf16).bytes.size(), 140u);
  EXPECT_EQ(pack(row, 70, sum_format::q8).bytes.size(), 70u + 3 * 4);
}

TEST(RoundedSums, AreWhatTheFormatMakesOfEachNumber) {
  auto random = test::random_source{3};
  for (const auto scale : {1e-6, 0.01, 1.0, 300.0, 60'000.0}) {
    const auto row = random_row(random, 67, scale);
    const auto half = unpack(pack(row, 67, sum_format::f16), 67);
    const auto brain = unpack(pack(row, 67, sum_format::bf16), 67);
    for (auto i = std::size_t{0}; i < row.size(); ++i) {
      const auto x = static_cast<float>(row[i]) * 0x1p-32f;
      EXPECT_EQ(half[i], units(quant::half_to_float(quant::float_to_half(x)))) << x;
      EXPECT_EQ(brain[i], units(quant::bf16_to_float(quant::float_to_bf16(x)))) << x;
    }
  }
}

TEST(RoundedSums, OfEightBitsAreWithinHalfAStepOfTheirBlock) {
  auto random = test::random_source{4};
  auto row = random_row(random, 100, 2.0);
  row[40] = units(900); // only its own block gets coarse
  const auto got = unpack(pack(row, 100, sum_format::q8), 100);
  for (auto i = std::size_t{0}; i < row.size(); ++i) {
    const auto step = (i / 32 == 1 ? 900.0 : 2.0) / 127 * 0x1p32;
    EXPECT_LE(std::abs(static_cast<double>(got[i] - row[i])), step * 0.5001 + 1) << i;
  }
  EXPECT_EQ(unpack(pack(numbers(40, 0), 40, sum_format::q8), 40), numbers(40, 0));
}

TEST(RoundedSums, AreAddedToOtherSums) {
  for (const auto f : rounded_formats) {
    const auto p = pack({units(2), units(-4)}, 2, f);
    auto sums = numbers{1, -1};
    add_packed(p.bytes, static_cast<std::uint8_t>(p.widths[0]), sums);
    EXPECT_NEAR(static_cast<double>(sums[0]), 0x1p33, 0x1p27) << name_of(f);
    EXPECT_NEAR(static_cast<double>(sums[1]), -0x1p34, 0x1p27) << name_of(f);
  }
}

TEST(RoundedSums, ARowThatIsTooLargeForTheFormatStaysExact) {
  const auto large = numbers{units(65'505), 1};
  const auto p = pack(large, 2, sum_format::f16);
  EXPECT_EQ(p.widths, (std::vector{std::byte{7}}));
  EXPECT_EQ(unpack(p, 2), large);
  EXPECT_EQ(checked(p, 2, sum_format::f16), "accepted");
  constexpr auto largest = std::numeric_limits<std::int64_t>::max();
  for (const auto f : rounded_formats)
    for (const auto x : {largest, -largest - 1})
      EXPECT_EQ(unpack(pack({x, 0}, 2, f), 2), (numbers{x, 0})) << name_of(f);
}

TEST(RoundedSums, WhatAReceiverMakesOfThemIsKnownToTheSender) {
  auto random = test::random_source{5};
  auto sums = random_row(random, 3 * 33, 40);
  sums[40] = std::numeric_limits<std::int64_t>::max(); // the second row stays exact
  for (const auto f : {sum_format::exact, sum_format::f16, sum_format::bf16, sum_format::q8}) {
    auto here = sums;
    round_sums(here, 33, f);
    EXPECT_EQ(here, unpack(pack(sums, 33, f), 33)) << name_of(f);
    EXPECT_EQ(here == sums, f == sum_format::exact) << name_of(f);
  }
}

TEST(RoundedSums, AreTakenOnlyWhereTheCallAskedForThem) {
  for (const auto sent : rounded_formats) {
    const auto p = pack({units(1), units(2)}, 2, sent);
    for (const auto asked : {sum_format::exact, sum_format::f16, sum_format::bf16, sum_format::q8})
      EXPECT_EQ(checked(p, 2, asked),
                asked == sent
                    ? "accepted"
                    : fmt::format("result: row 0 is rounded to {}, but the call asked for {}",
                                  name_of(sent), name_of(asked)));
  }
}

TEST(RoundedSums, NumbersThatAreNoSumsAreRefused) {
  auto half = pack({units(1), units(2)}, 2, sum_format::f16);
  half.bytes[2] = std::byte{0x00}, half.bytes[3] = std::byte{0x7c};
  EXPECT_EQ(checked(half, 2, sum_format::f16), "result: a rounded row holds inf, which is no sum");
  auto brain = pack({units(1), units(2)}, 2, sum_format::bf16);
  brain.bytes[1] = std::byte{0x4f}; // 2^31
  EXPECT_NE(checked(brain, 2, sum_format::bf16).find("which is no sum"), std::string::npos);
  auto eight = pack({units(1), units(2)}, 2, sum_format::q8);
  eight.bytes[2] = std::byte{0xc0}, eight.bytes[3] = std::byte{0x7f}; // the scale is NaN
  EXPECT_NE(checked(eight, 2, sum_format::q8).find("which is no sum"), std::string::npos);
  eight.bytes.pop_back();
  EXPECT_EQ(checked(eight, 2, sum_format::q8), "result: sums has 5 bytes, expected 6");
}

} // namespace
} // namespace larql::schema
