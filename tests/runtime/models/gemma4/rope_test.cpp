// Mirrors runtime/models/gemma4/rope.hpp: frequencies and pairs of both kinds of layers, against
// the published check values and long double arithmetic.

#include "runtime/models/gemma4/rope.hpp"

#include "runtime/kernels/kernel_set.hpp"
#include "tests/support/tiny_model.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace larql::gemma4 {
namespace {

vindex::model_config config_26b() {
  auto c = test::config_of({});
  c.head_dim = 256;
  c.global_head_dim = 512;
  return c;
}

// At position 1 the angle of a pair is its frequency.
std::vector<double> frequencies(rope_table table) {
  table.set_positions(1, 1);
  auto out = std::vector<double>{};
  for (auto i = std::size_t{0}; i < table.pairs(); ++i)
    out.push_back(std::atan2(table.sin(0)[i], table.cos(0)[i]));
  return out;
}

TEST(Rope, SlidingLayersRotateEveryPairOfTheHead) {
  const auto f = frequencies({config_26b(), true});
  ASSERT_EQ(f.size(), 128u);
  EXPECT_NEAR(f[0], 1.0, 1e-7);
  EXPECT_NEAR(f[1], 0.93057204, 1e-7);
  EXPECT_NEAR(f[64], 0.01, 1e-9);
  EXPECT_NEAR(f[127], 1.0746078e-4, 1e-11);
}

TEST(Rope, FullLayersRotateAQuarterOfThePairsWithTheExponentOfTheWholeHead) {
  const auto f = frequencies({config_26b(), false});
  ASSERT_EQ(f.size(), 64u);
  EXPECT_NEAR(f[0], 1.0, 1e-7);
  EXPECT_NEAR(f[1], 0.94746353, 1e-7);
  EXPECT_NEAR(f[2], 0.89768713, 1e-7);
  EXPECT_NEAR(f[32], 0.17782794, 2e-8);
  EXPECT_NEAR(f[63], 0.03337625, 1e-9);
}

TEST(Rope, AShareOfPairsSurvivesItsDivisionForEveryHeadSize) {
  // 8/392 multiplied by 392 is a little below 8, for example.
  for (auto dim = 16u; dim <= 1024; dim += 16)
    for (auto pairs = 1u; pairs <= dim / 2; ++pairs) {
      auto c = config_26b();
      c.global_head_dim = dim;
      c.partial_rotary = static_cast<double>(pairs) / (dim / 2);
      ASSERT_EQ(rope_table(c, false).pairs(), pairs) << "of head size " << dim;
    }
}

TEST(Rope, AShareThatIsNoWholeNumberOfPairsIsRoundedDown) {
  auto c = config_26b();
  c.global_head_dim = 96;
  c.partial_rotary = 0.4; // of 48 pairs: 19.2
  EXPECT_EQ(rope_table(c, false).pairs(), 19u);
}

TEST(Rope, CosinesAndSinesAreRightToTheLastBitOrTwoAtAnyPosition) {
  for (const auto sliding : {true, false}) {
    const auto c = config_26b();
    auto table = rope_table{c, sliding};
    const auto base = static_cast<long double>(sliding ? c.rope_local_base : c.rope_base);
    const auto dim = sliding ? c.head_dim : c.global_head_dim;
    for (const auto first : {0u, 1000u, 131071u, 262143u, 1048575u}) {
      table.set_positions(first, 2);
      for (auto row = 0u; row < 2; ++row)
        for (auto i = std::size_t{0}; i < table.pairs(); ++i) {
          const auto frequency = std::pow(base, -2.0L * static_cast<long double>(i) / dim);
          const auto angle = static_cast<long double>(first + row) * frequency;
          // Angles carry the double rounding of the frequency: 1e-14 of up to 1e6.
          EXPECT_NEAR(table.cos(row)[i], static_cast<double>(std::cos(angle)),
                      7e-8 + 1e-14 * (first + 1.0));
          EXPECT_NEAR(table.sin(row)[i], static_cast<double>(std::sin(angle)),
                      7e-8 + 1e-14 * (first + 1.0));
        }
    }
  }
}

TEST(Rope, RowsDoNotDependOnTheChunkTheyComeIn) {
  auto whole = rope_table{config_26b(), true}, single = whole;
  whole.set_positions(100, 5);
  for (auto r = 0u; r < 5; ++r) {
    single.set_positions(100 + r, 1);
    for (auto i = std::size_t{0}; i < whole.pairs(); ++i) {
      EXPECT_EQ(whole.cos(r)[i], single.cos(0)[i]);
      EXPECT_EQ(whole.sin(r)[i], single.sin(0)[i]);
    }
  }
}

TEST(Rope, AnElementTurnsWithTheOneHalfAHeadAway) {
  // The kernel of the forward pass, with the table of a full layer of head size 16 that rotates
  // four of eight pairs.
  auto c = config_26b();
  c.global_head_dim = 16;
  c.partial_rotary = 0.5;
  auto table = rope_table{c, false};
  table.set_positions(3, 1);
  auto x = std::vector<float>(16);
  for (auto i = 0u; i < 16; ++i)
    x[i] = static_cast<float>(i + 1);
  const auto before = x;
  const auto& k = **kernels::kernels_for(kernels::simd_level::scalar);
  k.rope(x.data(), table.cos(0), table.sin(0), 8, table.pairs());
  for (auto i = 0u; i < 8; ++i) {
    const auto angle = i < 4 ? 3.0 * std::pow(1e6, -2.0 * i / 16) : 0.0;
    EXPECT_NEAR(x[i], before[i] * std::cos(angle) - before[i + 8] * std::sin(angle), 1e-5);
    EXPECT_NEAR(x[i + 8], before[i + 8] * std::cos(angle) + before[i] * std::sin(angle), 1e-5);
  }
}

} // namespace
} // namespace larql::gemma4
