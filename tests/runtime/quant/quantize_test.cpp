// Mirrors runtime/quant/quantize.hpp: how large the errors of the two quantisers are, on ordinary
// rows, on odd rows, and beside llama.cpp's.

#include "runtime/quant/quantize.hpp"

#include "runtime/import/gguf_checkpoint.hpp"
#include "runtime/quant/blocks.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

namespace larql::quant {
namespace {

struct quantiser {
  encoding format;
  void (*run)(std::span<const float>, std::byte*) noexcept;
};
constexpr quantiser q4k = {encoding::q4_k, quantize_row_q4_k};
constexpr quantiser q6k = {encoding::q6_k, quantize_row_q6_k};

std::vector<float> there_and_back(const quantiser& q, const std::vector<float>& x) {
  auto bytes = std::vector<std::byte>(row_bytes(q.format, x.size()));
  q.run(x, bytes.data());
  EXPECT_TRUE(row_is_finite(q.format, bytes.data(), x.size()));
  auto out = std::vector<float>(x.size());
  dequantize_row(q.format, bytes.data(), x.size(), out.data());
  return out;
}

double rms_error(const std::vector<float>& a, const std::vector<float>& b) {
  auto sum = 0.0;
  for (auto i = std::size_t{0}; i < a.size(); ++i)
    sum += std::pow(double{a[i]} - b[i], 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}
double rms(const std::vector<float>& a) {
  return rms_error(a, std::vector<float>(a.size()));
}

class Quantiser : public testing::TestWithParam<quantiser> {};
INSTANTIATE_TEST_SUITE_P(Encodings, Quantiser, testing::Values(q4k, q6k),
                         [](const auto& p) { return std::string{name_of(p.param.format)}; });

TEST_P(Quantiser, NormalWeightsKeepTheirPrecision) {
  auto random = test::random_source{1};
  const auto x = test::random_floats(random, 256 * 64, 0.02f);
  // Four bits over about 4.2 deviations in 15 steps: 0.28 / sqrt(12) = 8 %, less by the search;
  // six bits over 16 values in 64 steps of 0.056: 1.6 %.
  const auto relative = rms_error(there_and_back(GetParam(), x), x) / rms(x);
  EXPECT_LT(relative, GetParam().format == encoding::q4_k ? 0.075 : 0.0175);
}

TEST_P(Quantiser, TheScaleOfTheWeightsDoesNotMatter) {
  auto random = test::random_source{2};
  const auto x = test::random_floats(random, 256, 1.0f);
  const auto want = there_and_back(GetParam(), x);
  for (const auto factor : {0x1p-2f, 0x1p6f}) { // the scale of a block stays a normal half
    auto scaled = x;
    for (auto& v : scaled)
      v *= factor;
    const auto got = there_and_back(GetParam(), scaled);
    for (auto i = std::size_t{0}; i < x.size(); ++i)
      ASSERT_FLOAT_EQ(got[i], want[i] * factor);
  }
}

TEST_P(Quantiser, ZerosStayZeros) {
  for (const auto zero : {0.0f, -0.0f})
    for (const auto x : there_and_back(GetParam(), std::vector<float>(512, zero)))
      ASSERT_EQ(x, 0.0f);
}

TEST_P(Quantiser, ConstantsAreKeptToThePrecisionOfScales) {
  // Scales are integers up to 128 times a half, which is subnormal for small weights.
  for (const auto c : {1.0f, -1.0f, 0.0123f, -77.7f, 1e-3f})
    for (const auto x : there_and_back(GetParam(), std::vector<float>(256, c)))
      ASSERT_NEAR(x, c, std::fabs(c) * (std::fabs(c) < 0.01f ? 0.1f : 0.01f)) << c;
}

TEST_P(Quantiser, SmallWeightsKeepWhatSubnormalScalesCanHold) {
  // Regression: where the scale of the block was rounded down by more than a step of the integer
  // scales, the largest groups became zeros.
  for (auto size = 1.0f; size > 1e-3f; size *= 0.93f) {
    auto random = test::random_source{11};
    const auto x = test::random_floats(random, 1024, size);
    const auto error = rms_error(there_and_back(GetParam(), x), x) / rms(x);
    EXPECT_LT(error, GetParam().format == encoding::q4_k ? 0.09 : 0.05) << size;
  }
}

TEST_P(Quantiser, AnOutlierIsKeptAndCostsOnlyItsNeighbours) {
  for (const auto outlier : {100.0f, -100.0f}) {
    auto random = test::random_source{3};
    auto x = test::random_floats(random, 256, 0.1f);
    x[37] = outlier;
    const auto y = there_and_back(GetParam(), x);
    EXPECT_NEAR(y[37], outlier, 1.0f);
    for (auto i = 0u; i < 256; ++i)
      ASSERT_LT(std::fabs(y[i] - x[i]), 4.0f) << i;
  }
}

TEST_P(Quantiser, TinyAndHugeWeightsGiveFiniteBlocks) {
  for (const auto size : {1e-30f, 1e-12f, 1e-6f, 1e5f}) {
    auto random = test::random_source{4};
    const auto x = test::random_floats(random, 256, size);
    const auto y = there_and_back(GetParam(), x);
    for (auto i = 0u; i < 256; ++i)
      ASSERT_LE(std::fabs(y[i]), 6 * size);
  }
}

TEST_P(Quantiser, OnlyOneSignIsFine) {
  auto random = test::random_source{5};
  for (const auto sign : {1.0f, -1.0f}) {
    auto x = test::random_floats(random, 256, 1.0f);
    for (auto& v : x)
      v = sign * (5 + std::fabs(v));
    EXPECT_LT(rms_error(there_and_back(GetParam(), x), x), 0.2) << sign;
  }
}

TEST_P(Quantiser, BlocksDoNotDependOnTheirNeighbours) {
  auto random = test::random_source{6};
  const auto x = test::random_floats(random, 768, 1.0f);
  const auto whole = there_and_back(GetParam(), x);
  for (auto at = 0; at < 768; at += 256) {
    const auto part = there_and_back(GetParam(), {x.begin() + at, x.begin() + at + 256});
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + at));
  }
}

TEST_P(Quantiser, NoWorseThanTheReferencesPlainScheme) {
  auto random = test::random_source{7};
  auto ours = 0.0, plain = 0.0;
  for (auto round = 0; round < 20; ++round) {
    const auto x = test::random_floats(random, 256, 1.0f);
    ours += std::pow(rms_error(there_and_back(GetParam(), x), x), 2);
    // Minimum and maximum of 32 in 15 steps, or amax of 16 in 31 steps; scales not even rounded.
    const auto group = GetParam().format == encoding::q4_k ? 32u : 16u;
    auto y = x;
    for (auto at = 0u; at < 256; at += group) {
      const auto [low, high] = std::minmax_element(x.begin() + at, x.begin() + at + group);
      const auto base = group == 32 ? std::min(*low, 0.0f) : 0.0f;
      const auto step = group == 32 ? (*high - base) / 15 : std::max(-*low, *high) / 31;
      for (auto i = at; i < at + group; ++i)
        y[i] = base + step * std::round((x[i] - base) / step);
    }
    plain += std::pow(rms_error(y, x), 2);
  }
  EXPECT_LT(ours, plain);
}

// ---- beside llama.cpp ---------------------------------------------------------------------------

std::vector<float> values(const import::source_tensor& t) {
  auto out = std::vector<float>(t.rows() * t.cols());
  const auto row = row_bytes(t.format, t.cols());
  for (auto r = std::size_t{0}; r < t.rows(); ++r)
    dequantize_row(t.format, t.data.data() + r * row, t.cols(), out.data() + r * t.cols());
  return out;
}

// Our error over llama.cpp's, on all tensors that its file has in this encoding.
double error_ratio(const quantiser& q, const char* file) {
  const auto stored = test::source_dir() / "tests/golden" / file;
  const auto exact = import::open_gguf(test::golden_models_dir() / "tiny-F32.gguf");
  const auto theirs = import::open_gguf(stored);
  EXPECT_TRUE(test::succeeds(exact));
  EXPECT_TRUE(test::succeeds(theirs));
  auto our_square = 0.0, their_square = 0.0;
  for (const auto& [key, t] : theirs->tensors) {
    if (vindex_encoding(t.format) != q.format)
      continue;
    const auto want = values(exact->tensors.at(key));
    const auto n = static_cast<double>(want.size());
    our_square += n * std::pow(rms_error(there_and_back(q, want), want), 2);
    their_square += n * std::pow(rms_error(values(t), want), 2);
  }
  EXPECT_GT(their_square, 0);
  return std::sqrt(our_square / their_square);
}

class QuantiserOracle : public testing::Test {
protected:
  void SetUp() override {
    if (!std::filesystem::exists(test::golden_models_dir() / "tiny-F32.gguf"))
      GTEST_SKIP() << "tiny-F32.gguf is missing: no python3-numpy when the tests were built";
  }
};

TEST_F(QuantiserOracle, Q4KIsNoWorseThanLlamaCpps) {
  const auto ratio = error_ratio(q4k, "tiny-Q4_K_M.gguf");
  RecordProperty("ratio", std::to_string(ratio));
  EXPECT_LT(ratio, 1.0) << ratio; // measured: 0.976
}

TEST_F(QuantiserOracle, Q6KIsNoWorseThanLlamaCpps) {
  const auto ratio = error_ratio(q6k, "tiny-Q6_K.gguf");
  RecordProperty("ratio", std::to_string(ratio));
  EXPECT_LT(ratio, 1.0) << ratio; // measured: 0.972
}

} // namespace
} // namespace larql::quant
