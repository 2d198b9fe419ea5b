// The normative kernels. Everything here is plain C++; the SIMD versions return the same bits.

#include "runtime/base/check.hpp"
#include "runtime/kernels/kernel_set.hpp"
#include "runtime/kernels/kernel_table.hpp"
#include "runtime/kernels/ref/simd16.hpp"
#include "runtime/quant/blocks.hpp"

#include <array>

namespace larql::kernels {

namespace {

using quant::encoding;
using quant::matrix_view;

// Plain float weights: a 16-lane dot product.
template <encoding E>
float dot_float(const std::byte* row, const activation_view& x, std::size_t input) noexcept {
  constexpr auto bytes = quant::block_traits<E>.bytes;
  const auto* a = x.f32 + input * x.cols;
  auto lane = std::array<float, 16>{};
  for (auto i = std::size_t{0}; i < x.cols; ++i) {
    auto weight = 0.0f;
    quant::dequantize_row(E, row + i * bytes, 1, &weight);
    lane[i % 16] = std::fma(weight, a[i], lane[i % 16]);
  }
  return simd16_ref::reduce_add(simd16_ref::load(lane.data()));
}

// Blocks of 32: the product of codes is an exact integer; block b adds to lane b mod 16.
template <encoding E>
float dot_32(const std::byte* row, const activation_view& x, std::size_t input) noexcept {
  const auto* q = x.q + input * x.cols;
  auto lane = std::array<float, 16>{};
  for (auto b = std::size_t{0}; b < x.cols / 32; ++b) {
    const auto w = quant::decode_block32(E, row + b * quant::block_traits<E>.bytes);
    auto sum = 0;
    for (auto i = std::size_t{0}; i < 32; ++i)
      sum += (w.code[i] - w.offset) * q[b * 32 + i];
    const auto scale = x.scale[input * x.scale_stride + b];
    auto& acc = lane[b % 16];
    acc = std::fma(w.d * scale, static_cast<float>(sum), acc);
    if constexpr (quant::block_traits<E>.has_min)
      acc = std::fma(w.min * scale, static_cast<float>(x.sums[input * x.sum_stride + b]), acc);
  }
  return simd16_ref::reduce_add(simd16_ref::load(lane.data()));
}

// Blocks of 256: integer scales join the exact integer sum; block b adds to lane b mod 4.
template <encoding E>
float dot_256(const std::byte* row, const activation_view& x, std::size_t input) noexcept {
  const auto* q = x.q + input * x.cols;
  auto lane = std::array<float, 4>{};
  for (auto b = std::size_t{0}; b < x.cols / 256; ++b) {
    const auto w = quant::decode_block256(E, row + b * quant::block_traits<E>.bytes);
    auto sum = 0;
    auto min_sum = 0;
    for (auto i = std::size_t{0}; i < 256; ++i)
      sum += w.scale[i / 16] * (w.code[i] - w.offset) * q[b * 256 + i];
    for (auto g = std::size_t{0}; g < 16; ++g)
      min_sum += w.min[g] * x.sums[input * x.sum_stride + b * 16 + g];
    const auto scale = x.scale[input * x.scale_stride + b];
    auto& acc = lane[b % 4];
    acc = std::fma(w.d * scale, static_cast<float>(sum), acc);
    if constexpr (quant::block_traits<E>.has_min)
      acc = std::fma(w.d_min * scale, -static_cast<float>(min_sum), acc);
  }
  return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

template <encoding E>
void matmul(const matrix_view& w, std::size_t row_begin, std::size_t row_end,
            const activation_view& x, std::size_t input_begin, std::size_t input_end, float* out,
            std::size_t out_stride) noexcept {
  for (auto a = input_begin; a < input_end; ++a)
    for (auto r = row_begin; r < row_end; ++r) {
      auto& y = out[(a - input_begin) * out_stride + r - row_begin];
      if constexpr (quant::block_traits<E>.weights == 1)
        y = dot_float<E>(w.row(r), x, a);
      else if constexpr (quant::block_traits<E>.weights == 32)
        y = dot_32<E>(w.row(r), x, a);
      else
        y = dot_256<E>(w.row(r), x, a);
    }
}

struct products {
  template <encoding E>
  static consteval kernel_set::matmul_fn matmul() {
    return kernels::matmul<E>;
  }
};

} // namespace

constinit const kernel_set kernels_ref =
    make_table<simd16_ref>(simd_level::scalar, matmul_table<products>());

} // namespace larql::kernels
