// Mirrors runtime/quant/blocks.hpp and lattices.hpp: Q4_1, MXFP4, IQ4_XS, Q3_K, Q2_K and the
// lattice encodings, blocks written byte by byte with the weights worked out by hand from
// docs/vindex-format.md.

#include "runtime/quant/blocks.hpp"
#include "runtime/quant/lattices.hpp"

#include "tests/runtime/quant/written_block.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <vector>

namespace larql::quant {
namespace {

using test::half_minus_half;
using test::half_one;
using test::half_two;
using test::written_block;

TEST(Blocks, Q41HasAMinimumInsteadOfAnOffset) {
  auto b = written_block{encoding::q4_1};
  b.put_half(0, half_two), b.put_half(2, half_minus_half);
  b.put(4, 0x93);  // weights 0 and 16
  b.put(19, 0xf0); // weights 15 and 31
  const auto w = b.weights();
  EXPECT_EQ(w[0], 5.5f);   // 2 * 3 - 0.5
  EXPECT_EQ(w[16], 17.5f); // 2 * 9 - 0.5
  EXPECT_EQ(w[15], -0.5f);
  EXPECT_EQ(w[31], 29.5f);
}

TEST(Blocks, MXFP4IsAnExponentAndFourBitFloats) {
  const float numbers[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  auto b = written_block{encoding::mxfp4};
  b.put(0, 129); // 2^(129 - 127)
  for (auto i = 0u; i < 16; ++i)
    b.put(1 + i, i | (15 - i) << 4);
  const auto w = b.weights();
  for (auto i = 0u; i < 8; ++i) {
    EXPECT_EQ(w[i], 4 * numbers[i]);
    EXPECT_EQ(w[8 + i], -4 * numbers[i]);
    EXPECT_EQ(w[31 - i], 4 * numbers[i]);
  }
}

TEST(Blocks, ScalesOfMXFP4ReachFromSubnormalsToTheLargestPower) {
  EXPECT_EQ(exponent_to_float(0), 0x1p-128f);
  EXPECT_EQ(exponent_to_float(1), 0x1p-127f);
  EXPECT_EQ(exponent_to_float(2), 0x1p-126f);
  EXPECT_EQ(exponent_to_float(128), 1.0f);
  EXPECT_EQ(exponent_to_float(254), 0x1p126f);
  EXPECT_TRUE(std::isnan(exponent_to_float(255)));
}

TEST(Blocks, IQ4XSIsEightTimesIQ4NLWithSixBitScales) {
  auto b = written_block{encoding::iq4_xs};
  b.put_half(0, half_one);
  b.put_half(2, 0x8003); // high pairs: 3 of sub-block 0, 2 of sub-block 7
  b.put(4, 0xf5);        // nibbles: 5 of sub-block 0, 15 of sub-block 1
  b.put(7, 0x40);        // 4 of sub-block 7
  b.put(8, 0xf0);        // weights 0 and 16
  b.put(8 + 16, 0x08);   // weights 32 and 48
  b.put(8 + 127, 0x90);  // weights 239 and 255
  const auto w = b.weights();
  EXPECT_EQ(w[0], 21 * -127.0f); // 5 + 48 - 32
  EXPECT_EQ(w[16], 21 * 113.0f);
  EXPECT_EQ(w[32], -17.0f); // 15 - 32, times 1
  EXPECT_EQ(w[48], -17 * -127.0f);
  EXPECT_EQ(w[239], 4 * -127.0f); // 4 + 32 - 32
  EXPECT_EQ(w[255], 4 * 13.0f);
  EXPECT_EQ(w[64], -32 * -127.0f);
}

TEST(Blocks, Q3KHasPairsByHalfAndAThirdBitBySubBlock) {
  auto b = written_block{encoding::q3_k};
  b.put_half(108, half_one);
  b.put(0, 0b1000'0001);         // third bits of byte 0: weights 0 and 224
  b.put(31, 0b10);               // of byte 31: weight 63
  b.put(32, 0b11'10'01'00);      // weights 0, 32, 64, 96
  b.put(32 + 31, 0b00'00'11'00); // weight 63
  b.put(32 + 32, 0b01'00'00'10); // weights 128 and 224
  // Scales: low nibbles of groups 0-7, then 8-15 above them; pairs in bytes 8-11.
  b.put(96, 0x21);               // group 0: 1, group 8: 2
  b.put(96 + 3, 0x05);           // group 3: 5
  b.put(96 + 6, 0xe7);           // group 6: 7, group 14: 14
  b.put(96 + 8, 0b00'10'00'11);  // pairs of groups 0, 4, 8, 12
  b.put(96 + 10, 0b11'00'01'00); // of groups 2, 6, 10, 14
  b.put(96 + 11, 0b00'00'00'10); // of groups 3, 7, 11, 15
  const auto w = b.weights();
  EXPECT_EQ(w[0], 0.0f);                    // (0 | 4) - 4
  EXPECT_EQ(w[1], -4 * 17.0f);              // group 0: 1 + 48 - 32
  EXPECT_EQ(w[63], 3 * 5.0f);               // (3 | 4) - 4, group 3: 5 + 32 - 32
  EXPECT_EQ(w[32], -3 * -32.0f);            // 1 - 4, group 2: 0 - 32
  EXPECT_EQ(w[64], -2 * -32.0f);            // 2 - 4, group 4: 0 - 32
  EXPECT_EQ(w[96], -1 * (7.0f + 16 - 32));  // 3 - 4, group 6
  EXPECT_EQ(w[128], -2 * (2.0f + 32 - 32)); // 2 - 4, group 8
  EXPECT_EQ(w[224], 1 * (14.0f + 48 - 32)); // (1 | 4) - 4, group 14
}

TEST(Blocks, Q2KHasAScaleAndAMinimumInEachByte) {
  auto b = written_block{encoding::q2_k};
  b.put_half(80, half_one), b.put_half(82, half_two);
  b.put(0, 0x35);                // group 0: scale 5, minimum 3
  b.put(3, 0x1f);                // group 3
  b.put(15, 0xf2);               // group 15
  b.put(16, 0b10'00'00'11);      // weights 0 and 96
  b.put(16 + 31, 0b00'00'01'00); // weight 63
  b.put(16 + 63, 0b11'00'00'00); // weight 255
  const auto w = b.weights();
  EXPECT_EQ(w[0], 3 * 5.0f - 2 * 3);
  EXPECT_EQ(w[1], -6.0f);
  EXPECT_EQ(w[63], 1 * 15.0f - 2 * 1);
  EXPECT_EQ(w[96], 0.0f); // group 6 has neither
  EXPECT_EQ(w[255], 3 * 2.0f - 2 * 15);
}

// ---- lattices -----------------------------------------------------------------------------------

template <class Points>
void expect_distinct_points_of(const Points& points, const std::set<unsigned>& numbers) {
  EXPECT_EQ(std::set(points.begin(), points.end()).size(), points.size());
  EXPECT_EQ(points[0], points[0] % 256 * (~typename Points::value_type{0} / 255)); // all smallest
  auto found = std::set<unsigned>{};
  for (const auto p : points)
    for (auto j = 0u; j < sizeof p; ++j)
      found.insert(static_cast<unsigned>(p >> (8 * j) & 255u));
  EXPECT_EQ(found, numbers);
}

TEST(Lattices, HaveDistinctPointsOfTheirNumbers) {
  expect_distinct_points_of(iq2_xxs_points, {8, 25, 43});
  expect_distinct_points_of(iq2_xs_points, {8, 25, 43});
  expect_distinct_points_of(iq2_s_points, {8, 25, 43});
  expect_distinct_points_of(iq3_xxs_points, {4, 12, 20, 28, 36, 44, 52, 62});
  expect_distinct_points_of(iq3_s_points, {1, 3, 5, 7, 9, 11, 13, 15});
}

TEST(Lattices, AnEighthSignMakesTheirNumberEven) {
  for (auto seven = 0u; seven < 128; ++seven) {
    EXPECT_EQ(eight_signs[seven] & 127u, seven);
    EXPECT_EQ(std::popcount(eight_signs[seven]) % 2, 0);
  }
}

TEST(Lattices, CodesStayWithinWhatTheTableSays) {
  for (const auto e :
       {encoding::iq2_xxs, encoding::iq2_xs, encoding::iq2_s, encoding::iq3_xxs, encoding::iq3_s}) {
    const auto& facts = facts_of(e);
    auto least = 255, most = 0;
    auto b = written_block{e};
    for (auto fill = 0u; fill < 256; ++fill) {
      std::fill(b.bytes.begin(), b.bytes.end(), static_cast<std::byte>(fill));
      for (const int c : decode_block256(e, b.bytes.data()).code)
        least = std::min(least, c), most = std::max(most, c);
    }
    EXPECT_LE(most, facts.max_code) << name_of(e);
    EXPECT_GE(least, 2 * facts.offset - facts.max_code) << name_of(e);
  }
}

// Of the second group of eight weights of a block, as floats with d 8 and the smallest scale.
std::vector<float> second_eight(const std::vector<float>& w) {
  return {w.begin() + 8, w.begin() + 16};
}

TEST(Blocks, IQ2XXSHasItsSignsAndScaleInAWordPer32) {
  auto b = written_block{encoding::iq2_xxs};
  b.put_half(0, 0x4800);                        // 8, of which an eighth counts
  b.put(2 + 1, 1);                              // point 1: 43, then seven times 8
  b.put_u32(2 + 4, 1u << 28 | 0b0000011u << 7); // scale 2 * 1 + 1; signs of the second eight
  const auto w = b.weights();
  EXPECT_EQ(second_eight(w), (std::vector<float>{-129, -24, 24, 24, 24, 24, 24, 24}));
  EXPECT_EQ(w[0], 24.0f);
  EXPECT_EQ(w[32], 8.0f); // scale 1
}

TEST(Blocks, IQ2XSHasNineBitsOfIndexAndSevenOfSigns) {
  auto b = written_block{encoding::iq2_xs};
  b.put_half(0, 0x4800);
  b.put_half(2 + 2,
             static_cast<std::uint16_t>(1 | 0b0000100 << 9)); // an odd number: the eighth too
  b.put(66, 0x20);                                            // weights 0-15: 1, 16-31: 2 * 2 + 1
  const auto w = b.weights();
  EXPECT_EQ(second_eight(w), (std::vector<float>{43, 8, -8, 8, 8, 8, 8, -8}));
  EXPECT_EQ(w[16], 5 * 8.0f);
  EXPECT_EQ(w[32], 8.0f);
}

TEST(Blocks, IQ2SHasTenBitsOfIndexAndAllSigns) {
  auto b = written_block{encoding::iq2_s};
  b.put_half(0, 0x4800);
  b.put(2 + 1, 255);
  b.put(66, 0b11'00);            // upper bits of the second eight: point 1023
  b.put(2 + 32 + 1, 0b10000000); // one sign only
  b.put(74, 0x01);               // 2 * 1 + 1 for weights 0-15
  const auto w = b.weights();
  for (auto j = 0u; j < 8; ++j) {
    const auto number = static_cast<float>(iq2_s_points[1023] >> (8 * j) & 255u);
    EXPECT_EQ(w[8 + j], (j == 7 ? -3 : 3) * number) << j;
  }
  EXPECT_EQ(w[16], 8.0f);
}

TEST(Blocks, IQ3XXSHasTwoPointsOfFour) {
  auto b = written_block{encoding::iq3_xxs};
  b.put_half(0, 0x4400);                     // 4, of which a quarter counts
  b.put(2 + 3, 255);                         // the second point of the second eight
  b.put_u32(66, 2u << 28 | 0b0100001u << 7); // scale 5
  const auto w = b.weights();
  const float signs[] = {-1, 1, 1, 1, 1, -1, 1, 1};
  for (auto j = 0u; j < 8; ++j) {
    const auto point = iq3_xxs_points[j < 4 ? 0 : 255];
    EXPECT_EQ(w[8 + j], 5 * signs[j] * static_cast<float>(point >> (8 * (j % 4)) & 255u)) << j;
  }
}

TEST(Blocks, IQ3SHasANinthBitOfIndexAndAllSigns) {
  auto b = written_block{encoding::iq3_s};
  b.put_half(0, half_one);
  b.put(66, 0b1000);   // ninth bit of point 3, the second one of the second eight
  b.put(74 + 1, 0b11); // signs of the second eight
  b.put(106, 0x47);    // 15 for weights 0-31, 9 for 32-63
  const auto w = b.weights();
  for (auto j = 0u; j < 8; ++j) {
    const auto point = iq3_s_points[j < 4 ? 0 : 256];
    EXPECT_EQ(w[8 + j], (j < 2 ? -15 : 15) * static_cast<float>(point >> (8 * (j % 4)) & 255u))
        << j;
  }
  EXPECT_EQ(w[32], 9.0f);
}

} // namespace
} // namespace larql::quant
