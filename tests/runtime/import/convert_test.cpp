// Mirrors runtime/import/convert.hpp: what is copied, what is rounded, and what is refused.

#include "runtime/import/convert.hpp"

#include "runtime/quant/blocks.hpp"
#include "runtime/quant/quantize.hpp"
#include "tests/support/random_weights.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace larql::import {
namespace {

using quant::encoding;

struct matrix {
  matrix(encoding e, std::uint64_t rows, std::uint64_t cols) {
    auto random = test::random_source{17};
    bytes = test::random_matrix(random, e, rows, cols);
    tensor.format = e;
    tensor.shape = {rows, cols};
    tensor.data = bytes;
  }
  [[nodiscard]] std::vector<float> row(std::uint64_t r) const {
    auto out = std::vector<float>(tensor.cols());
    const auto n = quant::row_bytes(tensor.format, tensor.cols());
    quant::dequantize_row(tensor.format, bytes.data() + r * n, tensor.cols(), out.data());
    return out;
  }

  std::vector<std::byte> bytes;
  source_tensor tensor;
};

std::vector<std::byte> convert(const source_tensor& t, std::uint64_t begin, std::uint64_t end,
                               const target& to) {
  auto out = std::vector<std::byte>((end - begin) * to.row_bytes());
  EXPECT_TRUE(convert_rows(t, begin, end, to, out));
  return out;
}

std::vector<float> decoded(const std::vector<std::byte>& bytes, const target& to) {
  auto out = std::vector<float>(to.cols);
  quant::dequantize_row(to.format, bytes.data(), to.cols, out.data());
  return out;
}

class Convert : public testing::TestWithParam<encoding> {};
INSTANTIATE_TEST_SUITE_P(Encodings, Convert, testing::ValuesIn(quant::all_encodings),
                         [](const auto& p) { return std::string{quant::name_of(p.param)}; });

TEST_P(Convert, TheSameEncodingIsACopyOfTheRowsAskedFor) {
  const auto m = matrix{GetParam(), 5, 512};
  const auto row = quant::row_bytes(GetParam(), 512);
  const auto got = convert(m.tensor, 1, 4, {GetParam(), 512});
  EXPECT_TRUE(
      std::equal(got.begin(), got.end(), m.bytes.begin() + static_cast<std::ptrdiff_t>(row)));
}

TEST_P(Convert, EverythingCanBecomeF32Exactly) {
  const auto m = matrix{GetParam(), 2, 256};
  const auto to = target{encoding::f32, 256};
  ASSERT_TRUE(can_convert(m.tensor, encoding::f32));
  EXPECT_EQ(decoded(convert(m.tensor, 1, 2, to), to), m.row(1));
}

TEST_P(Convert, EverythingCanBecomeAHalfOrABf16) {
  const auto m = matrix{GetParam(), 1, 256};
  for (const auto e : {encoding::f16, encoding::bf16}) {
    const auto got = decoded(convert(m.tensor, 0, 1, {e, 256}), {e, 256});
    const auto want = m.row(0);
    for (auto i = 0u; i < 256; ++i)
      ASSERT_EQ(got[i], e == encoding::f16 ? quant::half_to_float(quant::float_to_half(want[i]))
                                           : quant::bf16_to_float(quant::float_to_bf16(want[i])));
  }
}

TEST_P(Convert, EverythingCanBecomeAKQuant) {
  const auto m = matrix{GetParam(), 1, 512};
  const auto x = m.row(0);
  auto want = std::vector<std::byte>(2 * 144);
  quant::quantize_row_q4_k(x, want.data());
  if (GetParam() != encoding::q4_k) { // which is copied
    EXPECT_EQ(convert(m.tensor, 0, 1, {encoding::q4_k, 512}), want);
  }
  want.resize(2 * 210);
  quant::quantize_row_q6_k(x, want.data());
  if (quant::vindex_encoding(GetParam()) != encoding::q6_k) {
    EXPECT_EQ(convert(m.tensor, 0, 1, {encoding::q6_k, 512}), want);
  }
}

TEST_P(Convert, OtherEncodingsAreNeverProduced) {
  const auto m = matrix{GetParam(), 1, 256};
  const auto produced = {encoding::f32, encoding::f16, encoding::bf16, encoding::q4_k,
                         encoding::q6_k};
  for (const auto e : quant::all_encodings) {
    const auto is_produced = std::find(produced.begin(), produced.end(), e) != produced.end();
    EXPECT_EQ(can_convert(m.tensor, e), is_produced || e == GetParam()) << quant::name_of(e);
  }
}

TEST(ConvertRows, ShortRowsAreFilledUpWithZeros) {
  const auto m = matrix{encoding::f32, 3, 96};
  for (const auto e : {encoding::f32, encoding::q4_k, encoding::q6_k}) {
    const auto to = target{e, 256};
    const auto got = decoded(convert(m.tensor, 2, 3, to), to);
    for (auto i = 96u; i < 256; ++i)
      ASSERT_EQ(got[i], 0.0f) << quant::name_of(e) << " " << i;
    EXPECT_NEAR(got[95], m.row(2)[95], 0.02);
  }
}

TEST(ConvertRows, GgmlsQ6KIsPutIntoLinearOrderWhereverItGoes) {
  const auto m = matrix{encoding::q6_k_ggml, 2, 512};
  auto linear = std::vector<std::byte>(4 * 210);
  for (auto b = std::size_t{0}; b < 4; ++b)
    quant::linear_from_ggml_q6_k(m.bytes.data() + b * 210, linear.data() + b * 210);
  EXPECT_EQ(convert(m.tensor, 0, 2, {encoding::q6_k, 512}), linear);
  auto want = std::vector<float>(512);
  quant::dequantize_row(encoding::q6_k, linear.data() + 2 * 210, 512, want.data());
  const auto to = target{encoding::f32, 512};
  EXPECT_EQ(decoded(convert(m.tensor, 1, 2, to), to), want);
}

TEST(ConvertRows, NumbersThatAreNoneAreNotRounded) {
  for (const auto bad : {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY}) {
    auto m = matrix{encoding::f32, 3, 256};
    std::memcpy(m.bytes.data() + (256 + 77) * 4, &bad, 4);
    for (const auto e : {encoding::q4_k, encoding::q6_k, encoding::f16, encoding::bf16}) {
      const auto to = target{e, 256};
      auto out = std::vector<std::byte>(to.row_bytes());
      EXPECT_FALSE(convert_rows(m.tensor, 1, 2, to, out)) << quant::name_of(e);
      EXPECT_TRUE(convert_rows(m.tensor, 2, 3, to, out)) << quant::name_of(e);
    }
  }
}

TEST(ConvertRows, NumbersTooLargeForTheEncodingAreRefused) {
  auto m = matrix{encoding::f32, 1, 256};
  const auto check = [&](float x, encoding e) {
    std::memcpy(m.bytes.data() + 40, &x, 4);
    auto out = std::vector<std::byte>(quant::row_bytes(e, 256));
    return convert_rows(m.tensor, 0, 1, {e, 256}, out);
  };
  EXPECT_TRUE(check(65000.0f, encoding::f16));
  EXPECT_FALSE(check(66000.0f, encoding::f16));
  EXPECT_TRUE(check(1e38f, encoding::bf16));
  EXPECT_TRUE(check(1e7f, encoding::q4_k)); // 65504 * 63 * 15 is the limit
  EXPECT_FALSE(check(1e12f, encoding::q4_k));
  EXPECT_TRUE(check(1e8f, encoding::q6_k)); // 65504 * 128 * 32
  EXPECT_FALSE(check(1e12f, encoding::q6_k));
  EXPECT_FALSE(check(3e38f, encoding::q4_k));
  EXPECT_FALSE(check(-3e38f, encoding::q6_k));
}

} // namespace
} // namespace larql::import
