// Mirrors runtime/quant/quantize.hpp, linear_from_ggml_q6_k(): the same weights in another order of
// bits.

#include "runtime/quant/blocks.hpp"
#include "runtime/quant/quantize.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <array>

namespace larql::quant {
namespace {

using block = std::array<std::byte, 210>;

// ggml's definition, as its dequantize_row_q6_K computes it: two halves of 128, in each 32 columns
// of four elements that share bytes.
std::array<float, 256> ggml_values(const block& b) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned>(b[i]); };
  const auto d = half_to_float(static_cast<std::uint16_t>(at(208) | at(209) << 8));
  auto out = std::array<float, 256>{};
  for (auto half = std::size_t{0}; half < 2; ++half)
    for (auto l = std::size_t{0}; l < 32; ++l) {
      const auto low_1 = at(64 * half + l), low_2 = at(64 * half + 32 + l);
      const auto high = at(128 + 32 * half + l);
      const unsigned codes[] = {(low_1 & 15) | (high & 3) << 4, (low_2 & 15) | (high >> 2 & 3) << 4,
                                low_1 >> 4 | (high >> 4 & 3) << 4,
                                low_2 >> 4 | (high >> 6 & 3) << 4};
      for (auto c = std::size_t{0}; c < 4; ++c) {
        const auto i = 128 * half + 32 * c + l;
        const auto scale = static_cast<std::int8_t>(at(192 + i / 16));
        out[i] =
            d * static_cast<float>(scale) * static_cast<float>(static_cast<int>(codes[c]) - 32);
      }
    }
  return out;
}

std::array<float, 256> linear_values(const block& b) {
  auto out = std::array<float, 256>{};
  dequantize_row(encoding::q6_k, b.data(), 256, out.data());
  return out;
}

block repacked(const block& in) {
  auto out = block{};
  linear_from_ggml_q6_k(in.data(), out.data());
  return out;
}

TEST(Q6KOrder, EveryWeightKeepsItsValue) {
  auto random = test::random_source{12};
  for (auto round = 0; round < 200; ++round) {
    auto b = block{};
    const auto bytes = test::random_matrix(random, encoding::q6_k, 1, 256);
    std::copy(bytes.begin(), bytes.end(), b.begin());
    ASSERT_EQ(linear_values(repacked(b)), ggml_values(b));
  }
}

TEST(Q6KOrder, NoTwoBlocksBecomeTheSame) {
  // Each of the 1536 bits of codes moves to a place of its own.
  auto seen = std::array<int, 192 * 8>{};
  for (auto bit = 0u; bit < 192 * 8; ++bit) {
    auto b = block{};
    b[bit / 8] = static_cast<std::byte>(1u << bit % 8);
    const auto out = repacked(b);
    auto set = 0;
    for (auto i = 0u; i < 192 * 8; ++i)
      if ((out[i / 8] & static_cast<std::byte>(1u << i % 8)) != std::byte{0}) {
        ++set;
        ++seen[i];
      }
    ASSERT_EQ(set, 1) << bit;
  }
  for (const auto n : seen)
    ASSERT_EQ(n, 1);
}

TEST(Q6KOrder, ScalesStayWhereTheyAre) {
  auto b = block{};
  for (auto i = 192u; i < 210; ++i)
    b[i] = static_cast<std::byte>(i);
  const auto out = repacked(b);
  EXPECT_TRUE(std::equal(b.begin() + 192, b.end(), out.begin() + 192));
}

} // namespace
} // namespace larql::quant
