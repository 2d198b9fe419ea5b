// Mirrors runtime/kernels/*/kernels.cpp: every instruction set returns the bits of the reference,
// and the reference is the product of what the blocks mean.

#include "runtime/kernels/kernel_set.hpp"

#include "runtime/quant/blocks.hpp"
#include "tests/runtime/kernels/avxvnni_as_avx512.hpp"
#include "tests/support/random_weights.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

namespace larql::kernels {
namespace {

using quant::encoding;
using test::random_source;

struct problem {
  std::vector<std::byte> bytes;
  quant::matrix_view w;
  activation_rows inputs;
  std::vector<float> x; // what went in, before rounding to 8 bits
};

problem make_problem(encoding e, std::uint32_t rows, std::uint32_t cols, std::uint32_t inputs,
                     std::uint64_t seed) {
  auto random = random_source{seed};
  auto p = problem{};
  // One byte of offset: files give no alignment.
  p.bytes = {std::byte{0}};
  const auto matrix = random_matrix(random, e, rows, cols);
  p.bytes.insert(p.bytes.end(), matrix.begin(), matrix.end());
  p.w = {e, rows, cols, p.bytes.data() + 1};
  p.x = random_floats(random, std::size_t{inputs} * cols, 1.0f);
  p.inputs.reset(activation_for(e), inputs, cols);
  const auto& k = **kernels_for(simd_level::scalar);
  for (auto i = 0u; i < inputs; ++i)
    p.inputs.set_row(k, i, std::span{p.x}.subspan(std::size_t{i} * cols, cols));
  return p;
}

std::vector<float> multiply(kernel_set::matmul_fn f, const problem& p) {
  const auto view = p.inputs.view();
  auto out = std::vector<float>(std::size_t{p.w.rows} * view.rows);
  f(p.w, 0, p.w.rows, view, 0, view.rows, out.data(), p.w.rows);
  return out;
}
std::vector<float> multiply(const kernel_set& k, const problem& p) {
  return multiply(k.matmul[static_cast<std::size_t>(p.w.format)], p);
}

class EveryEncoding : public testing::TestWithParam<int> {
protected:
  encoding format = static_cast<encoding>(GetParam());
  std::uint32_t step = quant::shape_of(format).weights;
};

TEST_P(EveryEncoding, ReferenceIsTheProductOfTheDecodedWeightsAndRoundedInputs) {
  const auto cols = step == 1 ? 37u : step * 5;
  const auto p = make_problem(format, 3, cols, 2, 7);
  const auto out = multiply(**kernels_for(simd_level::scalar), p);
  const auto view = p.inputs.view();
  auto weights = std::vector<float>(cols);
  for (auto i = 0u; i < 2; ++i)
    for (auto r = 0u; r < 3; ++r) {
      quant::dequantize_row(format, p.w.row(r), cols, weights.data());
      auto exact = 0.0, magnitude = 0.0;
      for (auto c = 0u; c < cols; ++c) {
        const auto x =
            step == 1 ? double{view.f32[i * cols + c]}
                      : double{view.scale[i * view.scale_stride + c / step]} * view.q[i * cols + c];
        exact += x * weights[c];
        magnitude += std::fabs(x * weights[c]);
      }
      EXPECT_NEAR(out[i * 3 + r], exact, 1e-5 * magnitude) << name_of(format) << " row " << r;
    }
}

// Every instruction set against the reference, element by element.
void expect_the_same_bits(const problem& p, const std::string& which) {
  const auto want = multiply(**kernels_for(simd_level::scalar), p);
  const auto expect = [&](const std::vector<float>& got, std::string_view name) {
    for (auto i = std::size_t{0}; i < want.size(); ++i)
      ASSERT_EQ(std::bit_cast<std::uint32_t>(want[i]), std::bit_cast<std::uint32_t>(got[i]))
          << name_of(p.w.format) << " " << name << " " << which << " element " << i << ": "
          << want[i] << " and " << got[i];
  };
  for (const auto level : simd_levels())
    expect(multiply(**kernels_for(level), p), name_of(level));
  if (const auto* table = avxvnni_products_as_avx512())
    expect(multiply((*table)[static_cast<std::size_t>(p.w.format)], p), "avxvnni as AVX-512");
}

TEST_P(EveryEncoding, EveryInstructionSetReturnsTheBitsOfTheReference) {
  // 1, 2, 11 and 23 blocks; plain floats with and without a tail; all tile widths of inputs.
  for (const auto blocks : {1u, 2u, 3u, 4u, 11u, 16u, 17u, 22u, 23u, 40u})
    for (const auto inputs : {1u, 2u, 3u, 8u, 15u})
      expect_the_same_bits(make_problem(format, 5, blocks * step, inputs, blocks * 100 + inputs),
                           fmt::format("blocks {} inputs {}", blocks, inputs));
}

TEST_P(EveryEncoding, ManyRowsReturnTheBitsOfTheReference) {
  // Kernels for sixteen and 32 rows, and a rest that goes row by row.
  for (const auto rows : {16u, 32u, 53u})
    for (const auto blocks : {1u, 2u, 5u})
      for (const auto inputs : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 33u, 67u})
        expect_the_same_bits(make_problem(format, rows, blocks * step, inputs, rows + blocks),
                             fmt::format("rows {} blocks {} inputs {}", rows, blocks, inputs));
}

TEST_P(EveryEncoding, WideRowsReturnTheBitsOfTheReference) {
  // Wider than the room that kernels have for inputs in an order of their own.
  const auto cols = (1u << 16) + 256;
  expect_the_same_bits(make_problem(format, 2, cols, 2, 1), "two inputs");
  expect_the_same_bits(make_problem(format, 17, cols, 5, 1), "five inputs");
}

TEST_P(EveryEncoding, ARangeOfRowsAndInputsGivesThePartOfTheWhole) {
  const auto& k = **kernels_for(best_simd_level());
  const auto p = make_problem(format, 9, step * 4, 6, 3);
  const auto whole = multiply(k, p);
  auto part = std::vector<float>(9 * 6, -1.0f);
  k.matmul[static_cast<std::size_t>(format)](p.w, 2, 7, p.inputs.view(), 1, 4, part.data(), 9);
  for (auto i = 0u; i < 3; ++i)
    for (auto r = 0u; r < 9; ++r)
      EXPECT_EQ(part[i * 9 + r], r < 5 ? whole[(i + 1) * 9 + r + 2] : -1.0f);
}

TEST_P(EveryEncoding, TheOutputBeginsWithTheFirstRowOfTheRange) {
  // Few and many inputs, and rows in tiles and beside them, go through different kernels.
  for (const auto level : simd_levels()) {
    const auto k = kernels_for(level);
    for (const auto inputs : {1u, 3u, 6u}) {
      const auto p = make_problem(format, 64, step * 2, inputs, 5);
      const auto whole = multiply(**k, p);
      auto part = std::vector<float>(40 * inputs); // no room before it: memory checkers look
      (*k)->matmul[static_cast<std::size_t>(format)](p.w, 20, 60, p.inputs.view(), 0, inputs,
                                                     part.data(), 40);
      for (auto i = 0u; i < inputs; ++i)
        for (auto r = 0u; r < 40; ++r)
          ASSERT_EQ(part[i * 40 + r], whole[i * 64 + 20 + r]) << name_of(level) << " row " << r;
    }
  }
}

TEST_P(EveryEncoding, ExtremeCodesAndInputsDoNotOverflow) {
  const auto cols = step == 1 ? 64u : step * 2;
  for (const auto fill : {std::byte{0x00}, std::byte{0xff}, std::byte{0x80}, std::byte{0x7f}})
    for (const auto& [rows, inputs] : {std::pair{1u, 1u}, {1u, 3u}, {48u, 2u}, {48u, 5u}}) {
      auto p = make_problem(format, rows, cols, inputs, 1);
      const auto keep = p.bytes;
      std::fill(p.bytes.begin() + 1, p.bytes.end(), fill);
      // Keep the scales finite.
      const auto bytes = quant::shape_of(format).bytes;
      for (auto at = std::size_t{1}; at < keep.size(); at += bytes) {
        const auto& facts = quant::facts_of(format);
        const auto d = facts.d_at;
        const auto n = step == 1 ? bytes : facts.has_min ? 4u : 2u;
        std::copy_n(keep.begin() + static_cast<std::ptrdiff_t>(at + d), n,
                    p.bytes.begin() + static_cast<std::ptrdiff_t>(at + d));
      }
      for (auto i = 0u; i < inputs; ++i) {
        const auto x = std::span{p.x}.subspan(std::size_t{i} * cols, cols);
        for (auto c = 0u; c < cols; ++c)
          x[c] = c % (3 + i) == 0 ? -5.0f : 5.0f;
        p.inputs.set_row(**kernels_for(simd_level::scalar), i, x);
      }
      expect_the_same_bits(
          p, fmt::format("filled with {} rows {} inputs {}", static_cast<int>(fill), rows, inputs));
    }
}

INSTANTIATE_TEST_SUITE_P(Matmul, EveryEncoding, testing::Range(0, int{quant::encoding_count}),
                         [](const auto& which) {
                           return std::string{quant::name_of(static_cast<encoding>(which.param))};
                         });

} // namespace
} // namespace larql::kernels
