// Products of one weight row with 1 to 8 inputs by the dot product instruction of signed bytes.
// Integer sums of a block are exact, so the order of the float operations is all there is to keep.

#pragma once

#include "runtime/kernels/dot_floats.hpp"
#include "runtime/kernels/neon/decode.hpp"
#include "runtime/kernels/neon/simd16.hpp"

#include <utility>

namespace larql::kernels::neon {

// Lane i is the sum of all lanes of z[i].
static inline int32x4_t sum_each(const int32x4_t* z) {
  return vpaddq_s32(vpaddq_s32(z[0], z[1]), vpaddq_s32(z[2], z[3]));
}

// ---- blocks of 256 ----------------------------------------------------------------------------

// Adds scale * code * input of sub-block Sub to each input's sum.
template <encoding E, int Sub, int Inputs>
static inline void add_sub_block(const std::uint8_t* p, const group_scales<E>& scales,
                                 const std::int8_t* q, std::size_t cols, int32x4_t* sum) {
  const auto code = codes256<E, Sub>(p);
  for (int n = 0; n < Inputs; ++n) {
    const auto* a = q + static_cast<std::size_t>(n) * cols + 32 * Sub;
    const auto low = vdotq_s32(vdupq_n_s32(0), code.val[0], vld1q_s8(a));
    if constexpr (group_scales<E>::per_sub == 1) {
      const auto both = vdotq_s32(low, code.val[1], vld1q_s8(a + 16));
      sum[n] = vmlaq_laneq_s32(sum[n], both, scales.scale[Sub / 4], Sub % 4);
    } else {
      const auto high = vdotq_s32(vdupq_n_s32(0), code.val[1], vld1q_s8(a + 16));
      sum[n] = vmlaq_laneq_s32(sum[n], low, scales.scale[Sub / 2], Sub % 2 * 2);
      sum[n] = vmlaq_laneq_s32(sum[n], high, scales.scale[Sub / 2], Sub % 2 * 2 + 1);
    }
  }
}

// Four partial sums of minima times sums of inputs, which are kept per 16.
static inline int32x4_t min_products(uint8x8_t minima, const std::int16_t* sums) {
  const auto m = vreinterpretq_s16_u16(vmovl_u8(minima));
  const auto s = vpaddq_s16(vld1q_s16(sums), vld1q_s16(sums + 8)); // at most 32 * 127
  return vmlal_high_s16(vmull_s16(vget_low_s16(m), vget_low_s16(s)), m, s);
}

template <encoding E, int Inputs>
static void dot_256(const std::uint8_t* row, const activation_view& x, std::size_t input,
                    float* out, std::size_t out_stride) {
  constexpr auto& facts = block_traits<E>;
  const std::size_t blocks = x.cols / 256;
  float32x4_t acc[Inputs];
  for (auto& lanes : acc)
    lanes = vdupq_n_f32(0);
  for (std::size_t first = 0; first < blocks; first += 4) {
    const auto count = blocks - first < 4 ? blocks - first : 4;
    int32x4_t sum[4][Inputs] = {};
    int32x4_t min_sum[4][Inputs] = {};
    for (std::size_t b = 0; b < count; ++b) {
      const auto* p = row + (first + b) * facts.bytes;
      for (std::size_t line = 0; line < facts.bytes; line += 64)
        prefetch(p, 4096 + line);
      const auto scales = group_scales<E>{p};
      const auto* q = x.q + input * x.cols + (first + b) * 256;
      int32x4_t total[Inputs];
      for (auto& t : total)
        t = vdupq_n_s32(0);
      [&]<int... Sub>(std::integer_sequence<int, Sub...>) {
        (add_sub_block<E, Sub, Inputs>(p, scales, q, x.cols, total), ...);
      }
      (std::make_integer_sequence<int, 8>{});
      for (int n = 0; n < Inputs; ++n) {
        sum[b][n] = total[n];
        if constexpr (facts.has_min)
          min_sum[b][n] =
              min_products(scales.minima, x.sums + (input + n) * x.sum_stride + (first + b) * 16);
      }
    }
    const auto* p = row + first * facts.bytes;
    const auto d = four_halves(p + facts.d_at, facts.bytes, count);
    const auto d_min = four_halves(p + facts.min_at, facts.bytes, facts.has_min ? count : 0);
    for (int n = 0; n < Inputs; ++n) {
      const auto scale = vld1q_f32(x.scale + (input + n) * x.scale_stride + first);
      const int32x4_t sums[4] = {sum[0][n], sum[1][n], sum[2][n], sum[3][n]};
      acc[n] = vfmaq_f32(acc[n], vmulq_f32(d, scale), vcvtq_f32_s32(sum_each(sums)));
      if constexpr (facts.has_min) {
        const int32x4_t mins[4] = {min_sum[0][n], min_sum[1][n], min_sum[2][n], min_sum[3][n]};
        acc[n] = vfmsq_f32(acc[n], vmulq_f32(d_min, scale), vcvtq_f32_s32(sum_each(mins)));
      }
    }
  }
  for (int n = 0; n < Inputs; ++n) {
    const auto pair = vadd_f32(vget_low_f32(acc[n]), vget_high_f32(acc[n]));
    out[n * out_stride] = vget_lane_f32(pair, 0) + vget_lane_f32(pair, 1);
  }
}

// ---- blocks of 32 -----------------------------------------------------------------------------

template <encoding E, int Inputs>
static void dot_32(const std::uint8_t* row, const activation_view& x, std::size_t input, float* out,
                   std::size_t out_stride) {
  constexpr auto& facts = block_traits<E>;
  const std::size_t blocks = x.cols / 32;
  simd16_neon::f32x16 acc[Inputs];
  for (auto& lanes : acc)
    lanes = simd16_neon::zero();
  for (std::size_t first = 0; first < blocks; first += 4) {
    const auto count = blocks - first < 4 ? blocks - first : 4;
    const auto* p = row + first * facts.bytes;
    int32x4_t sum[Inputs][4] = {};
    for (std::size_t line = 0; line < 4 * facts.bytes; line += 64)
      prefetch(p, 4096 + line);
    for (std::size_t b = 0; b < count; ++b) {
      const auto code = codes32<E>(p + b * facts.bytes);
      for (int n = 0; n < Inputs; ++n) {
        const auto* a = x.q + (input + n) * x.cols + (first + b) * 32;
        const auto low = vdotq_s32(vdupq_n_s32(0), code.val[0], vld1q_s8(a));
        sum[n][b] = vdotq_s32(low, code.val[1], vld1q_s8(a + 16));
      }
    }
    const auto d = four_halves(p + facts.d_at, facts.bytes, count);
    const auto min = four_halves(p + facts.min_at, facts.bytes, facts.has_min ? count : 0);
    for (int n = 0; n < Inputs; ++n) {
      const auto scale = vld1q_f32(x.scale + (input + n) * x.scale_stride + first);
      auto& lanes = acc[n].v[first / 4 % 4];
      lanes = vfmaq_f32(lanes, vmulq_f32(d, scale), vcvtq_f32_s32(sum_each(sum[n])));
      if constexpr (facts.has_min) {
        const auto sums = vmovl_s16(vld1_s16(x.sums + (input + n) * x.sum_stride + first));
        lanes = vfmaq_f32(lanes, vmulq_f32(min, scale), vcvtq_f32_s32(sums));
      }
    }
  }
  for (int n = 0; n < Inputs; ++n)
    out[n * out_stride] = simd16_neon::reduce_add(acc[n]);
}

template <encoding E, int Inputs>
static inline void dot(const std::uint8_t* row, const activation_view& x, std::size_t input,
                       float* out, std::size_t out_stride) {
  if constexpr (block_traits<E>.weights == 1)
    dot_floats<simd16_neon, E, Inputs>(row, x, input, out, out_stride);
  else if constexpr (block_traits<E>.weights == 32)
    dot_32<E, Inputs>(row, x, input, out, out_stride);
  else
    dot_256<E, Inputs>(row, x, input, out, out_stride);
}

/// Rows [row_begin, row_end) with inputs [input_begin, input_end), a few inputs at a time: of plain
/// floats fewer, because each takes four registers.
template <encoding E>
static void dot_rows(const quant::matrix_view& w, std::size_t row_begin, std::size_t row_end,
                     const activation_view& x, std::size_t input_begin, std::size_t input_end,
                     float* out, std::size_t out_stride) noexcept {
  const auto stride = w.stride_bytes();
  const auto* base = reinterpret_cast<const std::uint8_t*>(w.data);
  auto a = input_begin;
  const auto rows = [&]<int Inputs>() {
    for (; a + Inputs <= input_end; a += Inputs)
      for (auto r = row_begin; r < row_end; ++r)
        dot<E, Inputs>(base + r * stride, x, a,
                       out + (a - input_begin) * out_stride + (r - row_begin), out_stride);
  };
  if constexpr (block_traits<E>.weights != 1)
    rows.template operator()<8>();
  rows.template operator()<4>();
  rows.template operator()<2>();
  rows.template operator()<1>();
}

} // namespace larql::kernels::neon
