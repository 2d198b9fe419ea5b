// Mirrors runtime/quant/blocks.hpp: one small block per encoding, written byte by byte with the
// weights worked out by hand from docs/vindex-format.md.

#include "runtime/quant/blocks.hpp"

#include "tests/runtime/quant/written_block.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace larql::quant {
namespace {

using test::half_minus_half;
using test::half_one;
using test::half_two;
using test::written_block;

TEST(Blocks, F32IsItself) {
  auto b = written_block{encoding::f32};
  b.put(0, 0x00), b.put(1, 0x00), b.put(2, 0xc0), b.put(3, 0xbf);
  EXPECT_EQ(b.weights()[0], -1.5f);
}

TEST(Blocks, F16IsAHalf) {
  auto b = written_block{encoding::f16};
  b.put_half(0, half_minus_half);
  EXPECT_EQ(b.weights()[0], -0.5f);
}

TEST(Blocks, BF16IsTheUpperHalfOfAFloat) {
  auto b = written_block{encoding::bf16};
  b.put(0, 0xc0), b.put(1, 0xbf);
  EXPECT_EQ(b.weights()[0], -1.5f);
}

TEST(Blocks, Q80IsAScaleAndSignedBytes) {
  auto b = written_block{encoding::q8_0};
  b.put_half(0, half_two);
  b.put(2, 1), b.put(3, 0xff), b.put(4, 127), b.put(33, 0x80);
  const auto w = b.weights();
  EXPECT_EQ(w[0], 2.0f);
  EXPECT_EQ(w[1], -2.0f);
  EXPECT_EQ(w[2], 254.0f);
  EXPECT_EQ(w[3], 0.0f);
  EXPECT_EQ(w[31], -256.0f);
}

TEST(Blocks, Q40HasLowNibblesFirstAndSubtracts8) {
  auto b = written_block{encoding::q4_0};
  b.put_half(0, half_minus_half);
  b.put(2, 0x90);  // weight 0: 0 - 8, weight 16: 9 - 8
  b.put(17, 0x8f); // weight 15: 15 - 8, weight 31: 8 - 8
  const auto w = b.weights();
  EXPECT_EQ(w[0], 4.0f);
  EXPECT_EQ(w[16], -0.5f);
  EXPECT_EQ(w[15], -3.5f);
  EXPECT_EQ(w[31], 0.0f);
  EXPECT_EQ(w[1], 4.0f); // nibble 0
}

TEST(Blocks, Q50AddsAFifthBitAndSubtracts16) {
  auto b = written_block{encoding::q5_0};
  b.put_half(0, half_one);
  b.put(2, 0x01), b.put(3, 0x00), b.put(4, 0x01), b.put(5, 0x80); // weights 0, 16 and 31
  b.put(6, 0x21);
  b.put(21, 0xf4);
  const auto w = b.weights();
  EXPECT_EQ(w[0], 1.0f);    // 1 + 16 - 16
  EXPECT_EQ(w[16], 2.0f);   // 2 + 16 - 16
  EXPECT_EQ(w[15], -12.0f); // 4 - 16
  EXPECT_EQ(w[31], 15.0f);  // 15 + 16 - 16
  EXPECT_EQ(w[1], -16.0f);
}

TEST(Blocks, Q51HasAMinimumInsteadOfAnOffset) {
  auto b = written_block{encoding::q5_1};
  b.put_half(0, half_two);
  b.put_half(2, half_minus_half);
  b.put(4, 0x02), b.put(7, 0x40); // fifth bits of weights 1 and 30
  b.put(8, 0x03), b.put(9, 0x01), b.put(22, 0x70);
  const auto w = b.weights();
  EXPECT_EQ(w[0], 5.5f);   // 2 * 3 - 0.5
  EXPECT_EQ(w[1], 33.5f);  // 2 * (1 + 16) - 0.5
  EXPECT_EQ(w[30], 45.5f); // 2 * (7 + 16) - 0.5
  EXPECT_EQ(w[31], -0.5f);
}

TEST(Blocks, IQ4NLLooksNibblesUpInItsTable) {
  const int table[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  auto b = written_block{encoding::iq4_nl};
  b.put_half(0, half_one);
  for (auto i = 0u; i < 16; ++i)
    b.put(2 + i, i | (15 - i) << 4);
  const auto w = b.weights();
  for (auto i = 0u; i < 16; ++i) {
    EXPECT_EQ(w[i], static_cast<float>(table[i]));
    EXPECT_EQ(w[16 + i], static_cast<float>(table[15 - i]));
  }
}

// Sub-block j of Q4_K and Q5_K has scale 8 + 7j and minimum 60 - 7j (6 bits each), packed by hand.
void put_scales(written_block& b) {
  for (auto j = 0u; j < 8; ++j) {
    const auto scale = 8 + 7 * j, min = 60 - 7 * j;
    const auto or_into = [&](std::size_t at, unsigned x) {
      b.bytes[at] |= static_cast<std::byte>(x);
    };
    if (j < 4) {
      or_into(4 + j, scale);
      or_into(8 + j, min);
    } else {
      or_into(8 + j, (scale & 15) | (min & 15) << 4);
      or_into(j, (scale >> 4) << 6);   // bytes 4..7
      or_into(4 + j, (min >> 4) << 6); // bytes 8..11
    }
  }
}

TEST(Blocks, SixBitScalesOfKQuantsComeApart) {
  auto b = written_block{encoding::q4_k};
  put_scales(b);
  for (auto j = 0u; j < 8; ++j) {
    const auto s = unpack_scale_min(b.bytes.data() + 4, j);
    EXPECT_EQ(s.scale, static_cast<int>(8 + 7 * j)) << j;
    EXPECT_EQ(s.min, static_cast<int>(60 - 7 * j)) << j;
  }
}

TEST(Blocks, Q4KGroupsNibblesBy64) {
  auto b = written_block{encoding::q4_k};
  b.put_half(0, half_one), b.put_half(2, half_two);
  put_scales(b);
  b.put(16, 0x21);       // weights 0 and 32
  b.put(16 + 31, 0x43);  // weights 31 and 63
  b.put(16 + 32, 0x65);  // weights 64 and 96
  b.put(16 + 127, 0xf7); // weights 223 and 255
  const auto w = b.weights();
  const auto expect = [&](std::size_t i, int nibble) {
    const auto j = static_cast<int>(i / 32);
    EXPECT_EQ(w[i], static_cast<float>((8 + 7 * j) * nibble - 2 * (60 - 7 * j))) << i;
  };
  expect(0, 1), expect(32, 2), expect(31, 3), expect(63, 4), expect(64, 5), expect(96, 6);
  expect(223, 7), expect(255, 15), expect(100, 0);
}

TEST(Blocks, Q5KHasItsFifthBitsBySubBlock) {
  auto b = written_block{encoding::q5_k};
  b.put_half(0, half_one), b.put_half(2, half_one);
  put_scales(b);
  b.put(16, 0b1000'0001); // byte 0: weights 0 and 224
  b.put(16 + 31, 0b10);   // byte 31: weight 63
  b.put(48, 0x01);        // nibbles of weights 0 and 32
  b.put(48 + 31, 0x20);   // of weights 31 and 63
  b.put(48 + 96, 0x30);   // of weights 192 and 224
  const auto w = b.weights();
  const auto expect = [&](std::size_t i, int code) {
    const auto j = static_cast<int>(i / 32);
    EXPECT_EQ(w[i], static_cast<float>((8 + 7 * j) * code - (60 - 7 * j))) << i;
  };
  expect(0, 17), expect(32, 0), expect(31, 0), expect(63, 18), expect(224, 19), expect(192, 0);
}

TEST(Blocks, Q6KIsInLinearOrder) {
  // The worked example of the documentation, and the ends of the block.
  auto b = written_block{encoding::q6_k};
  b.put_half(208, half_one);
  for (auto g = 0u; g < 16; ++g)
    b.put(192 + g, g == 15 ? 0xfe /* -2 */ : 1 + g);
  b.put(0, 0x21), b.put(128, 0b00'00'10'01);
  b.put(127, 0xf8), b.put(191, 0b11'01'00'00);
  const auto w = b.weights();
  EXPECT_EQ(w[0], -15.0f); // 1 | 1 << 4 = 17
  EXPECT_EQ(w[1], 2.0f);   // 2 | 2 << 4 = 34
  EXPECT_EQ(w[2], -32.0f);
  EXPECT_EQ(w[16], -2 * 32.0f);      // the second group has scale 2
  EXPECT_EQ(w[254], -2 * (24 - 32)); // 8 | 1 << 4
  EXPECT_EQ(w[255], -2 * (63 - 32)); // 15 | 3 << 4
}

// ---- rows and checks ----------------------------------------------------------------------------

class BlockRow : public testing::TestWithParam<encoding> {};
INSTANTIATE_TEST_SUITE_P(Encodings, BlockRow, testing::ValuesIn(all_encodings),
                         [](const auto& p) { return std::string{name_of(p.param)}; });

TEST_P(BlockRow, ARowIsItsBlocksOneAfterTheOther) {
  auto random = test::random_source{5};
  const auto e = GetParam();
  const auto row = test::random_matrix(random, e, 1, 768);
  auto whole = std::vector<float>(768);
  dequantize_row(e, row.data(), 768, whole.data());
  const auto n = shape_of(e).weights;
  auto part = std::vector<float>(n);
  for (auto at = 0u; at < 768; at += n) {
    dequantize_row(e, row.data() + row_bytes(e, at), n, part.data());
    for (auto i = 0u; i < n; ++i)
      ASSERT_EQ(whole[at + i], part[i]) << at + i;
  }
}

TEST_P(BlockRow, ARowOfZeroBytesIsZeroOrTheLowestCode) {
  auto out = std::vector<float>(256);
  const auto zeros = std::vector<std::byte>(row_bytes(GetParam(), 256));
  dequantize_row(GetParam(), zeros.data(), 256, out.data());
  for (const auto x : out)
    ASSERT_EQ(x, 0.0f); // d is 0
}

TEST_P(BlockRow, NumbersThatAreNotFiniteAreFoundInEveryBlock) {
  auto random = test::random_source{6};
  const auto e = GetParam();
  const auto good = test::random_matrix(random, e, 1, 768);
  EXPECT_TRUE(row_is_finite(e, good.data(), 768));
  const auto block_bytes = shape_of(e).bytes;
  auto scales = std::vector<std::size_t>{facts_of(e).d_at};
  if (facts_of(e).has_min)
    scales.push_back(facts_of(e).min_at);
  for (auto block = std::size_t{0}; block < 768 / shape_of(e).weights; ++block)
    for (const auto at : scales)
      for (const auto value : {std::numeric_limits<float>::quiet_NaN(),
                               std::numeric_limits<float>::infinity(), -INFINITY}) {
        auto row = good;
        auto* p = row.data() + block * block_bytes + at;
        if (e == encoding::f32) {
          std::memcpy(p, &value, 4);
        } else if (facts_of(e).d_is == d_kind::exponent) {
          *p = std::byte{255};
        } else {
          const auto h = e == encoding::bf16 ? float_to_bf16(value) : float_to_half(value);
          std::memcpy(p, &h, 2);
        }
        ASSERT_FALSE(row_is_finite(e, row.data(), 768)) << "block " << block << " byte " << at;
        // Nor is what it means.
        auto out = std::vector<float>(768);
        dequantize_row(e, row.data(), 768, out.data());
        ASSERT_TRUE(std::any_of(out.begin(), out.end(), [](float x) { return !std::isfinite(x); }));
      }
}

TEST_P(BlockRow, NamesAndSizesFitTogether) {
  const auto e = GetParam();
  EXPECT_EQ(encoding_from_name(name_of(e)), e);
  EXPECT_EQ(row_bytes(e, 512), 512 / shape_of(e).weights * shape_of(e).bytes);
  EXPECT_EQ(padded_cols(e, 1), shape_of(e).weights);
  EXPECT_EQ(padded_cols(e, 512), 512u);
  EXPECT_EQ(padded_cols(e, 513), 512 + shape_of(e).weights);
}

TEST(Blocks, OppositeInfinitiesDoNotCancel) {
  for (const auto e : all_encodings) {
    if (!facts_of(e).has_min)
      continue;
    auto b = written_block{e};
    b.put_half(facts_of(e).d_at, float_to_half(INFINITY));
    b.put_half(facts_of(e).min_at, float_to_half(-INFINITY));
    EXPECT_FALSE(row_is_finite(e, b.bytes.data(), shape_of(e).weights)) << name_of(e);
  }
}

TEST(Encoding, UnknownNamesAreNone) {
  for (const auto* name : {"", "q4_k", "Q4_K_M", "F64", "Q4_K "})
    EXPECT_EQ(encoding_from_name(name), std::nullopt) << name;
}

} // namespace
} // namespace larql::quant
