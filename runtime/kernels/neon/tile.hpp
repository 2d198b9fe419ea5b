// Products of two or four weight rows with pairs of inputs by the matrix multiply instruction of
// signed bytes: two rows times two inputs, eight bytes of each. What one row or one input is left
// over goes through dot.hpp.
//
// Numerics  A register holds row 0 input 0, row 0 input 1, row 1 input 0, row 1 input 1. Integer
//           sums of a block are exact; the float operations keep the order of ref/kernels.cpp, with
//           one register for each of its accumulator lanes.

#pragma once

#include "runtime/kernels/neon/dot.hpp"

namespace larql::kernels::neon {

// Eight bytes of two rows, or of two inputs, in turn: what one instruction takes.
using eights = int8x16x4_t;

static inline int8x16_t low_eights(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s64(vzip1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}
static inline int8x16_t high_eights(int8x16_t a, int8x16_t b) {
  return vreinterpretq_s8_s64(vzip2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}
static inline eights in_turn(codes a, codes b) {
  return {{low_eights(a.val[0], b.val[0]), high_eights(a.val[0], b.val[0]),
           low_eights(a.val[1], b.val[1]), high_eights(a.val[1], b.val[1])}};
}
static inline eights load_inputs(const std::int8_t* q, std::size_t cols) {
  return in_turn({{vld1q_s8(q), vld1q_s8(q + 16)}},
                 {{vld1q_s8(q + cols), vld1q_s8(q + cols + 16)}});
}
// a, a, b, b
static inline float32x4_t by_row(float a, float b) {
  return vcombine_f32(vdup_n_f32(a), vdup_n_f32(b));
}
// a, b, a, b
static inline float32x4_t by_input(const float* scale, std::size_t stride) {
  const auto pair = float32x2_t{scale[0], scale[stride]};
  return vcombine_f32(pair, pair);
}

static inline float half_at(const std::uint8_t* p) {
  std::uint16_t half;
  std::memcpy(&half, p, 2);
  return vgetq_lane_f32(simd16_neon::widen_f16(vdup_n_u16(half)), 0);
}

// Where the products of a pair of rows with a pair of inputs go.
static inline void store_pair(float* out, std::size_t out_stride, float32x4_t y) {
  vst1_f32(out, vget_low_f32(vuzp1q_f32(y, y)));
  vst1_f32(out + out_stride, vget_low_f32(vuzp2q_f32(y, y)));
}

// ---- blocks of 256 ----------------------------------------------------------------------------

// The scales of two rows' groups as a, a, b, b.
template <encoding E>
struct pair_scales {
  static constexpr int groups = 8 * group_scales<E>::per_sub;
  int32x4_t scale[groups];

  pair_scales(const group_scales<E>& a, const group_scales<E>& b) {
    for (int g = 0; g < groups; g += 4) {
      const auto s = a.scale[g / 4], t = b.scale[g / 4];
      const auto twice = [](int32x4_t low, int32x4_t high, int64x2_t* out) {
        const auto x = vreinterpretq_s64_s32(low), y = vreinterpretq_s64_s32(high);
        out[0] = vzip1q_s64(x, y);
        out[1] = vzip2q_s64(x, y);
      };
      int64x2_t four[4];
      twice(vzip1q_s32(s, s), vzip1q_s32(t, t), four);
      twice(vzip2q_s32(s, s), vzip2q_s32(t, t), four + 2);
      for (int i = 0; i < 4; ++i)
        scale[g + i] = vreinterpretq_s32_s64(four[i]);
    }
  }
};

template <encoding E, int Sub, int Pairs>
static inline void add_sub_block(eights code, const pair_scales<E>& scales, const eights* inputs,
                                 int32x4_t* sum) {
  constexpr auto per_sub = group_scales<E>::per_sub;
  for (int n = 0; n < Pairs; ++n)
    for (int g = 0; g < per_sub; ++g) {
      auto products = vdupq_n_s32(0);
      for (int i = g * 4 / per_sub; i < (g + 1) * 4 / per_sub; ++i)
        products = vmmlaq_s32(products, code.val[i], inputs[n].val[i]);
      sum[n] = vmlaq_s32(sum[n], products, scales.scale[Sub * per_sub + g]);
    }
}

// The sums of 32 inputs of two inputs, of at most thirteen bits: their upper bits and their lower
// seven, as signed bytes.
struct pair_sums {
  int8x16_t upper, lower;

  pair_sums(const std::int16_t* sums, std::size_t stride) {
    static_assert(32 * 127 < 128 * 128);
    const auto a = vpaddq_s16(vld1q_s16(sums), vld1q_s16(sums + 8));
    const auto b = vpaddq_s16(vld1q_s16(sums + stride), vld1q_s16(sums + stride + 8));
    upper = vshrn_high_n_s16(vshrn_n_s16(a, 7), b, 7);
    lower = vandq_s8(vmovn_high_s16(vmovn_s16(a), b), vdupq_n_s8(127));
  }
  [[nodiscard]] int32x4_t times(int8x16_t minima) const {
    const auto high = vmmlaq_s32(vdupq_n_s32(0), minima, upper);
    return vmmlaq_s32(vshlq_n_s32(high, 7), minima, lower);
  }
};

// Integer sums of one block: 2 * RowPairs rows from p, `stride` bytes apart, with 2 * Pairs inputs.
template <encoding E, int RowPairs, int Pairs>
struct block_sums {
  int32x4_t sum[RowPairs][Pairs];
  int32x4_t min_sum[RowPairs][Pairs];

  block_sums(const std::uint8_t* p, std::size_t stride, const std::int8_t* q, std::size_t cols,
             const std::int16_t* sums, std::size_t sum_stride) {
    [&]<std::size_t... R>(std::index_sequence<R...>) {
      const group_scales<E> scales[] = {group_scales<E>{p + 2 * R * stride}...,
                                        group_scales<E>{p + (2 * R + 1) * stride}...};
      const pair_scales<E> by_pair[] = {pair_scales<E>{scales[R], scales[RowPairs + R]}...};
      for (auto& row : sum)
        for (auto& s : row)
          s = vdupq_n_s32(0);
      [&]<int... Sub>(std::integer_sequence<int, Sub...>) {
        (add_products<Sub>(p, stride, q, cols, by_pair), ...);
      }
      (std::make_integer_sequence<int, 8>{});
      if constexpr (block_traits<E>.has_min)
        for (int n = 0; n < Pairs; ++n) {
          const auto pair = pair_sums{sums + 2 * n * sum_stride, sum_stride};
          ((min_sum[R][n] = pair.times(
                vreinterpretq_s8_u8(vcombine_u8(scales[R].minima, scales[RowPairs + R].minima)))),
           ...);
        }
    }
    (std::make_index_sequence<RowPairs>{});
  }

private:
  template <int Sub>
  void add_products(const std::uint8_t* p, std::size_t stride, const std::int8_t* q,
                    std::size_t cols, const pair_scales<E>* scales) {
    eights inputs[Pairs];
    for (int n = 0; n < Pairs; ++n)
      inputs[n] = load_inputs(q + 2 * n * cols + 32 * Sub, cols);
    for (int r = 0; r < RowPairs; ++r) {
      const auto code =
          in_turn(codes256<E, Sub>(p + 2 * r * stride), codes256<E, Sub>(p + (2 * r + 1) * stride));
      add_sub_block<E, Sub, Pairs>(code, scales[r], inputs, sum[r]);
    }
  }
};

template <encoding E, int RowPairs, int Pairs>
static void tile_256(const std::uint8_t* rows, std::size_t stride, const activation_view& x,
                     std::size_t input, float* out, std::size_t out_stride) {
  constexpr auto& facts = block_traits<E>;
  float32x4_t acc[4][RowPairs][Pairs] = {}; // one for each lane of the reference
  for (std::size_t b = 0; b < x.cols / 256; ++b) {
    const auto* p = rows + b * facts.bytes;
    for (std::size_t r = 0; r < 2 * RowPairs; ++r)
      for (std::size_t line = 0; line < facts.bytes; line += 64)
        prefetch(p + r * stride, 4096 + line);
    const auto sums = block_sums<E, RowPairs, Pairs>{p,
                                                     stride,
                                                     x.q + input * x.cols + b * 256,
                                                     x.cols,
                                                     x.sums + input * x.sum_stride + b * 16,
                                                     x.sum_stride};
    for (int r = 0; r < RowPairs; ++r) {
      const auto* a = p + 2 * r * stride;
      const auto d = by_row(half_at(a + facts.d_at), half_at(a + stride + facts.d_at));
      for (int n = 0; n < Pairs; ++n) {
        const auto scale = by_input(x.scale + (input + 2 * n) * x.scale_stride + b, x.scale_stride);
        auto& lane = acc[b % 4][r][n];
        lane = vfmaq_f32(lane, vmulq_f32(d, scale), vcvtq_f32_s32(sums.sum[r][n]));
        if constexpr (facts.has_min) {
          const auto d_min = by_row(half_at(a + facts.min_at), half_at(a + stride + facts.min_at));
          lane = vfmsq_f32(lane, vmulq_f32(d_min, scale), vcvtq_f32_s32(sums.min_sum[r][n]));
        }
      }
    }
  }
  for (int r = 0; r < RowPairs; ++r)
    for (int n = 0; n < Pairs; ++n)
      store_pair(
          out + 2 * n * out_stride + 2 * r, out_stride,
          vaddq_f32(vaddq_f32(acc[0][r][n], acc[2][r][n]), vaddq_f32(acc[1][r][n], acc[3][r][n])));
}

// ---- blocks of 32 -----------------------------------------------------------------------------

template <encoding E, int RowPairs, int Pairs>
static void tile_32(const std::uint8_t* rows, std::size_t stride, const activation_view& x,
                    std::size_t input, float* out, std::size_t out_stride) {
  constexpr auto& facts = block_traits<E>;
  float32x4_t acc[16][RowPairs][Pairs] = {}; // one for each lane of the reference
  for (std::size_t b = 0; b < x.cols / 32; ++b) {
    const auto* p = rows + b * facts.bytes;
    float32x4_t scale[Pairs], sums[Pairs];
    eights inputs[Pairs];
    for (int n = 0; n < Pairs; ++n) {
      const auto first = input + 2 * n;
      inputs[n] = load_inputs(x.q + first * x.cols + b * 32, x.cols);
      scale[n] = by_input(x.scale + first * x.scale_stride + b, x.scale_stride);
      const auto* s = x.sums + first * x.sum_stride + b;
      sums[n] = vcvtq_f32_s32(int32x4_t{s[0], s[x.sum_stride], s[0], s[x.sum_stride]});
    }
    for (int r = 0; r < RowPairs; ++r) {
      const auto *a0 = p + 2 * r * stride, *a1 = a0 + stride;
      if (b % 2 == 0) { // a line holds two to four blocks
        prefetch(a0, 4096);
        prefetch(a1, 4096);
      }
      const auto code = in_turn(codes32<E>(a0), codes32<E>(a1));
      const auto d = by_row(half_at(a0 + facts.d_at), half_at(a1 + facts.d_at));
      for (int n = 0; n < Pairs; ++n) {
        auto products = vdupq_n_s32(0);
        for (int i = 0; i < 4; ++i)
          products = vmmlaq_s32(products, code.val[i], inputs[n].val[i]);
        auto& lane = acc[b % 16][r][n];
        lane = vfmaq_f32(lane, vmulq_f32(d, scale[n]), vcvtq_f32_s32(products));
        if constexpr (facts.has_min) {
          const auto min = by_row(half_at(a0 + facts.min_at), half_at(a1 + facts.min_at));
          lane = vfmaq_f32(lane, vmulq_f32(min, scale[n]), sums[n]);
        }
      }
    }
  }
  for (int r = 0; r < RowPairs; ++r)
    for (int n = 0; n < Pairs; ++n) {
      for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; ++i)
          acc[i][r][n] = vaddq_f32(acc[i][r][n], acc[i + half][r][n]);
      store_pair(out + 2 * n * out_stride + 2 * r, out_stride, acc[0][r][n]);
    }
}

template <encoding E, int RowPairs, int Pairs>
static inline void tile(const std::uint8_t* rows, std::size_t stride, const activation_view& x,
                        std::size_t input, float* out, std::size_t out_stride) {
  if constexpr (block_traits<E>.weights == 32)
    tile_32<E, RowPairs, Pairs>(rows, stride, x, input, out, out_stride);
  else
    tile_256<E, RowPairs, Pairs>(rows, stride, x, input, out, out_stride);
}

/// As dot_rows, by tiles. @pre blocks of 32 or 256
template <encoding E>
static void tile_rows(const quant::matrix_view& w, std::size_t row_begin, std::size_t row_end,
                      const activation_view& x, std::size_t input_begin, std::size_t input_end,
                      float* out, std::size_t out_stride) noexcept {
  const auto stride = w.stride_bytes();
  const auto* base = reinterpret_cast<const std::uint8_t*>(w.data);
  auto a = input_begin;
  const auto rows = [&]<int Pairs>() {
    for (; a + 2 * Pairs <= input_end; a += 2 * Pairs) {
      auto* first = out + (a - input_begin) * out_stride;
      auto r = row_begin;
      for (; r + 4 <= row_end; r += 4)
        tile<E, 2, Pairs>(base + r * stride, stride, x, a, first + (r - row_begin), out_stride);
      for (; r + 2 <= row_end; r += 2)
        tile<E, 1, Pairs>(base + r * stride, stride, x, a, first + (r - row_begin), out_stride);
      if (r < row_end)
        dot<E, 2 * Pairs>(base + r * stride, x, a, first + (r - row_begin), out_stride);
    }
  };
  rows.template operator()<4>();
  rows.template operator()<2>();
  rows.template operator()<1>();
  if (a < input_end)
    dot_rows<E>(w, row_begin, row_end, x, a, input_end, out + (a - input_begin) * out_stride,
                out_stride);
}

} // namespace larql::kernels::neon
