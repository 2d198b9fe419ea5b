// Mirrors runtime/kernels/ops_*.hpp: accuracy of the reference, and equal bits everywhere.

#include "runtime/kernels/kernel_set.hpp"

#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

namespace larql::kernels {
namespace {

using test::random_floats;
using test::random_source;

const kernel_set& reference() {
  return **kernels_for(simd_level::scalar);
}

// Runs `f` with every table and compares what it returns, bit by bit.
template <class T>
void expect_same_bits(const char* what, const std::function<std::vector<T>(const kernel_set&)>& f) {
  const auto want = f(reference());
  for (const auto level : simd_levels())
    if (const auto k = kernels_for(level)) {
      const auto got = f(**k);
      ASSERT_EQ(got.size(), want.size());
      for (auto i = std::size_t{0}; i < want.size(); ++i)
        ASSERT_EQ(0, std::memcmp(&got[i], &want[i], sizeof(T)))
            << what << " " << name_of(level) << " element " << i << " of " << want.size();
    }
}

const auto lengths = {1u, 7u, 16u, 31u, 64u, 96u, 257u, 2816u};

TEST(RowOps, AllFiniteSeesEveryElementInEveryInstructionSet) {
  for (const auto level : simd_levels()) {
    const auto k = kernels_for(level);
    if (!k)
      continue;
    for (const auto n : {1u, 15u, 16u, 17u, 40u}) {
      auto x = std::vector<float>(n, -3.4e38f);
      EXPECT_TRUE((*k)->all_finite(x.data(), n));
      for (auto i = 0u; i < n; ++i)
        for (const auto bad :
             {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
              -std::numeric_limits<float>::infinity()}) {
          const auto good = std::exchange(x[i], bad);
          EXPECT_FALSE((*k)->all_finite(x.data(), n)) << bad << " at " << i << " of " << n;
          x[i] = good;
        }
    }
  }
}

TEST(RowOps, AllInstructionSetsReturnTheSameBits) {
  for (const auto n : lengths) {
    auto random = random_source{n};
    const auto x = random_floats(random, n, 3.0f);
    const auto y = random_floats(random, n, 2.0f);
    using floats = std::vector<float>;
    expect_same_bits<float>("rms_norm", [&](const kernel_set& k) {
      auto out = floats(n + 1);
      out[n] = k.rms_norm(x.data(), y.data(), n, 1e-6f, out.data());
      return out;
    });
    expect_same_bits<float>("rms_norm without weight", [&](const kernel_set& k) {
      auto out = floats(n);
      k.rms_norm(x.data(), nullptr, n, 1e-6f, out.data());
      return out;
    });
    for (const auto f : {quant::activation_function::gelu, quant::activation_function::silu})
      expect_same_bits<float>("gated_mul", [&](const kernel_set& k) {
        auto out = floats(n);
        k.gated_mul[static_cast<std::size_t>(f)](x.data(), y.data(), n, out.data());
        return out;
      });
    expect_same_bits<float>("softcap", [&](const kernel_set& k) {
      auto out = x;
      k.softcap(out.data(), 2.5f, n);
      return out;
    });
    expect_same_bits<float>("softmax", [&](const kernel_set& k) {
      auto out = x;
      k.softmax(out.data(), n);
      return out;
    });
    expect_same_bits<float>("add, scale, multiply", [&](const kernel_set& k) {
      auto out = x;
      k.add(out.data(), y.data(), n);
      k.scale(out.data(), 0.3f, n);
      k.multiply(out.data(), y.data(), n, out.data());
      return out;
    });
    expect_same_bits<float>("rope", [&](const kernel_set& k) {
      auto out = random_floats(random = random_source{n}, 2 * n);
      k.rope(out.data(), x.data(), y.data(), n, n / 2 + 1);
      return out;
    });
    expect_same_bits<std::int64_t>("accumulate_fixed", [&](const kernel_set& k) {
      auto sum = std::vector<std::int64_t>(n, 5);
      EXPECT_TRUE(k.accumulate_fixed(sum.data(), x.data(), 0.37f, n));
      EXPECT_TRUE(k.accumulate_fixed(sum.data(), y.data(), -1.25f, n));
      return sum;
    });
    expect_same_bits<float>("fixed_to_float", [&](const kernel_set& k) {
      auto sum = std::vector<std::int64_t>(n);
      for (auto& s : sum)
        s = static_cast<std::int64_t>(random.bits() >> random.below(60));
      auto out = floats(n);
      random = random_source{n};
      for (auto& s : sum)
        s = static_cast<std::int64_t>(random.bits()) >> random.below(60);
      k.fixed_to_float(sum.data(), n, out.data());
      return out;
    });
  }
}

TEST(RowOps, QuantisedRowsHaveTheSameBitsEverywhere) {
  for (const auto n : {32u, 96u, 256u, 704u, 2816u}) {
    auto random = random_source{n};
    auto x = random_floats(random, n, 10.0f);
    std::fill_n(x.begin(), 32, 0.0f); // an all-zero block
    x[n - 1] = 1e-35f;
    expect_same_bits<std::int8_t>("q8_32", [&](const kernel_set& k) {
      auto q = std::vector<std::int8_t>(n);
      auto scale = std::vector<float>(n / 32);
      auto sums = std::vector<std::int16_t>(n / 32);
      k.quantize_q8_32(x.data(), n, q.data(), scale.data(), sums.data());
      const auto* bytes = reinterpret_cast<const std::int8_t*>(scale.data());
      q.insert(q.end(), bytes, bytes + scale.size() * 4);
      for (auto s : sums)
        q.push_back(static_cast<std::int8_t>(s)), q.push_back(static_cast<std::int8_t>(s >> 8));
      return q;
    });
    expect_same_bits<std::int8_t>("q8_256", [&](const kernel_set& k) {
      const auto blocks = (n + 255) / 256;
      auto q = std::vector<std::int8_t>(blocks * 256);
      auto scale = std::vector<float>(blocks);
      auto sums = std::vector<std::int16_t>(blocks * 16);
      k.quantize_q8_256(x.data(), n, q.data(), scale.data(), sums.data());
      const auto* bytes = reinterpret_cast<const std::int8_t*>(scale.data());
      q.insert(q.end(), bytes, bytes + scale.size() * 4);
      for (auto s : sums)
        q.push_back(static_cast<std::int8_t>(s)), q.push_back(static_cast<std::int8_t>(s >> 8));
      return q;
    });
  }
}

TEST(RowOps, QuantisingRoundsToNearestAndKeepsNaNInRange) {
  auto x = std::vector<float>(32, 0.0f);
  x[0] = 127.0f, x[1] = 0.5f, x[2] = 1.5f, x[3] = -2.5f, x[4] = 2.51f;
  auto q = std::vector<std::int8_t>(32);
  auto scale = 0.0f;
  auto sum = std::int16_t{};
  reference().quantize_q8_32(x.data(), 32, q.data(), &scale, &sum);
  EXPECT_EQ(scale, 1.0f);
  EXPECT_EQ(q[0], 127);
  EXPECT_EQ(q[1], 0); // ties to even
  EXPECT_EQ(q[2], 2);
  EXPECT_EQ(q[3], -2);
  EXPECT_EQ(q[4], 3);
  EXPECT_EQ(sum, 130);
  x[7] = std::numeric_limits<float>::quiet_NaN();
  x[8] = std::numeric_limits<float>::infinity();
  for (const auto level : simd_levels())
    if (const auto k = kernels_for(level))
      (*k)->quantize_q8_32(x.data(), 32, q.data(), &scale, &sum); // must not trap
}

TEST(RowOps, AttentionHasTheSameBitsEverywhereAndForEverySplitOfARun) {
  for (const auto heads : {1u, 2u, 4u, 7u, 8u, 39u})
    for (const auto dim : {16u, 64u, 80u, 256u}) {
      const auto count = heads < 32 ? 37u : 81u; // more than one tile of many heads
      auto random = random_source{heads * 1000 + dim};
      const auto q = random_floats(random, heads * dim);
      const auto keys = random_floats(random, count * dim);
      auto halves = std::vector<std::uint16_t>(keys.size());
      reference().store_f16(keys.data(), keys.size(), halves.data());
      const auto attend = [&](const kernel_set& k, bool half, std::size_t split) {
        auto scores = std::vector<float>(heads * count);
        auto out = std::vector<float>(heads * dim);
        const auto part = [&](std::size_t from, std::size_t n) {
          if (half) {
            k.attention_scores_f16(q.data(), heads, dim, halves.data() + from * dim, n,
                                   scores.data() + from, count);
            k.attention_mix_f16(scores.data() + from, count, heads, dim, halves.data() + from * dim,
                                n, out.data());
          } else {
            k.attention_scores_f32(q.data(), heads, dim, keys.data() + from * dim, n,
                                   scores.data() + from, count);
            k.attention_mix_f32(scores.data() + from, count, heads, dim, keys.data() + from * dim,
                                n, out.data());
          }
        };
        part(0, split);
        part(split, count - split);
        out.insert(out.end(), scores.begin(), scores.end());
        return out;
      };
      for (const auto half : {false, true}) {
        expect_same_bits<float>("attention",
                                [&](const kernel_set& k) { return attend(k, half, count); });
        EXPECT_EQ(attend(reference(), half, 0), attend(reference(), half, 13));
      }
    }
}

TEST(RowOps, ActivationsAndSoftcapAndSoftmaxAreAccurate) {
  constexpr auto gelu = static_cast<std::size_t>(quant::activation_function::gelu);
  constexpr auto silu = static_cast<std::size_t>(quant::activation_function::silu);
  const auto n = 4001u;
  auto x = std::vector<float>(n), ones = std::vector<float>(n, 1.0f), out = x;
  for (auto i = 0u; i < n; ++i)
    x[i] = (static_cast<float>(i) - 2000.0f) * 0.01f;
  reference().gated_mul[gelu](x.data(), ones.data(), n, out.data());
  for (auto i = 0u; i < n; ++i) {
    const auto v = double{x[i]};
    const auto exact =
        0.5 * v * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (v + 0.044715 * v * v * v)));
    EXPECT_NEAR(out[i], exact, 3e-7 * (1 + std::fabs(v))) << "x = " << v;
  }
  reference().gated_mul[silu](x.data(), ones.data(), n, out.data());
  for (auto i = 0u; i < n; ++i)
    EXPECT_NEAR(out[i], x[i] / (1 + std::exp(-double{x[i]})), 3e-7 * (1 + std::fabs(x[i])))
        << "x = " << x[i];
  out = x;
  reference().softcap(out.data(), 30.0f, n);
  for (auto i = 0u; i < n; ++i)
    EXPECT_NEAR(out[i], 30 * std::tanh(x[i] / 30.0), 6e-6) << "x = " << x[i];
  out = x;
  reference().softmax(out.data(), n);
  auto sum = 0.0, mass = 0.0;
  for (auto i = 0u; i < n; ++i)
    mass += std::exp(double{x[i]} - 20.0), sum += out[i];
  EXPECT_NEAR(sum, 1.0, 1e-5);
  for (auto i = 0u; i < n; ++i)
    EXPECT_NEAR(out[i], std::exp(double{x[i]} - 20.0) / mass, 1e-8 + 1e-6 * out[i]);
}

TEST(RowOps, HugeAndTinyLogitsStayFinite) {
  auto x = std::vector<float>{-1e30f, 1e30f, 0.0f, -3e38f};
  reference().softmax(x.data(), x.size());
  EXPECT_NEAR(x[1], 1.0f, 1e-6f);
  EXPECT_LT(x[0], 1e-30f);
}

TEST(RowOps, FixedPointSumsDoNotDependOnTheOrder) {
  const auto n = 100u;
  auto random = random_source{9};
  auto terms = std::vector<std::vector<float>>{};
  for (auto i = 0; i < 8; ++i)
    terms.push_back(random_floats(random, n, i == 3 ? 1e4f : 1e-3f));
  const auto& k = reference();
  auto forward = std::vector<std::int64_t>(n), backward = forward;
  for (auto i = 0u; i < 8; ++i) {
    EXPECT_TRUE(k.accumulate_fixed(forward.data(), terms[i].data(), 0.1f, n));
    EXPECT_TRUE(k.accumulate_fixed(backward.data(), terms[7 - i].data(), 0.1f, n));
  }
  EXPECT_EQ(forward, backward);
}

TEST(RowOps, FixedPointRefusesWhatItCannotHold) {
  const auto bad = {0x1p22f, -0x1p30f, std::numeric_limits<float>::infinity(),
                    std::numeric_limits<float>::quiet_NaN()};
  for (const auto level : simd_levels())
    if (const auto k = kernels_for(level))
      for (const auto value : bad)
        for (const auto position : {0u, 20u, 32u}) {
          auto x = std::vector<float>(33, 0.5f);
          x[position] = value;
          auto sum = std::vector<std::int64_t>(33);
          EXPECT_FALSE((*k)->accumulate_fixed(sum.data(), x.data(), 1.0f, 33))
              << value << " at " << position;
        }
}

TEST(KernelChoice, UnknownNamesAreRefusedAndEmptyMeansBest) {
  EXPECT_EQ((*kernels_by_name(""))->level, best_simd_level());
  EXPECT_EQ((*kernels_by_name("scalar"))->level, simd_level::scalar);
  const auto unknown = kernels_by_name("sse9");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, errc::usage);
  EXPECT_NE(unknown.error().text.find("sse9"), std::string::npos);
}

} // namespace
} // namespace larql::kernels
