// Mirrors runtime/kernels/kernel_table.hpp and kernel_set.hpp: every table has a product for every
// encoding, and sets are chosen by what the processor has.

#include "runtime/kernels/kernel_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace larql::kernels {
namespace {

using quant::encoding;

TEST(KernelTable, EverySetHasEveryFunction) {
  for (const auto level : simd_levels()) {
    const auto& k = **kernels_for(level);
    for (const auto e : quant::all_encodings)
      EXPECT_NE(k.matmul[static_cast<std::size_t>(e)], nullptr) << name_of(level) << name_of(e);
    for (const auto f : k.gated_mul)
      EXPECT_NE(f, nullptr) << name_of(level);
  }
}

// An instruction set with a version for one encoding only.
void own_version(const quant::matrix_view&, std::size_t, std::size_t, const activation_view&,
                 std::size_t, std::size_t, float* out, std::size_t) noexcept {
  *out = 7;
}
struct few_products {
  template <encoding E>
  static consteval kernel_set::matmul_fn matmul() {
    if constexpr (E == encoding::f16)
      return own_version;
    else
      return matmul_of<kernels_ref, E>;
  }
};

TEST(KernelTable, AnEncodingWithoutAVersionOfItsOwnUsesTheNextSet) {
  const auto table = matmul_table<few_products>();
  const auto weight = 3.0f;
  const auto w =
      quant::matrix_view{encoding::f32, 1, 1, reinterpret_cast<const std::byte*>(&weight)};
  auto x = activation_rows{};
  x.reset(quant::activation_format::f32, 1, 1);
  const auto two = 2.0f;
  x.set_row(kernels_ref, 0, {&two, 1});
  auto y = 0.0f;
  table[static_cast<std::size_t>(encoding::f32)](w, 0, 1, x.view(), 0, 1, &y, 1);
  EXPECT_EQ(y, 6.0f);
  table[static_cast<std::size_t>(encoding::f16)](w, 0, 1, x.view(), 0, 1, &y, 1);
  EXPECT_EQ(y, 7.0f);
}

TEST(KernelChoice, TheReferenceRunsEverywhereAndTheBestSetIsTheLast) {
  const auto levels = simd_levels();
  ASSERT_FALSE(levels.empty());
  EXPECT_EQ(levels.front(), simd_level::scalar);
  EXPECT_EQ(levels.back(), best_simd_level());
  for (const auto level : levels)
    EXPECT_EQ((*kernels_for(level))->level, level);
}

TEST(KernelChoice, ASetThatThisProcessorLacksIsRefusedByName) {
  const auto levels = simd_levels();
  for (const auto level : {simd_level::avx2, simd_level::avxvnni, simd_level::avx512,
                           simd_level::neon, simd_level::i8mm}) {
    if (std::find(levels.begin(), levels.end(), level) != levels.end())
      continue;
    const auto k = kernels_for(level);
    ASSERT_FALSE(k);
    EXPECT_EQ(k.error().code, errc::unsupported);
    EXPECT_NE(k.error().text.find(name_of(level)), std::string::npos);
  }
}

} // namespace
} // namespace larql::kernels
