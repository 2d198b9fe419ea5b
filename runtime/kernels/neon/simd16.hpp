// ref/simd16.hpp in four 128-bit registers. Same bits. Needs nothing beyond what every 64-bit ARM
// processor has: conversions from and to half precision are among that.

#pragma once

#include <arm_neon.h>
#include <cstddef>
#include <cstdint>

namespace larql::kernels {

struct simd16_neon {
  static constexpr int width = 16;
  static constexpr std::size_t accumulators = 4;

  struct f32x16 {
    float32x4_t v[4]; // lanes 0-3, 4-7, 8-11, 12-15
  };

  template <class F>
  static f32x16 each(F f) {
    return {{f(0), f(1), f(2), f(3)}};
  }

  static f32x16 zero() { return set1(0.0f); }
  static f32x16 set1(float x) {
    return each([=](int) { return vdupq_n_f32(x); });
  }
  static f32x16 load(const float* p) {
    return each([=](int i) { return vld1q_f32(p + 4 * i); });
  }
  static f32x16 load_f16(const std::uint16_t* p) {
    return each([=](int i) { return widen_f16(vld1_u16(p + 4 * i)); });
  }
  static f32x16 load_bf16(const std::uint16_t* p) {
    return each([=](int i) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)); });
  }
  static float32x4_t widen_f16(uint16x4_t halves) {
    return vcvt_f32_f16(vreinterpret_f16_u16(halves));
  }
  static void store(float* p, f32x16 a) {
    for (int i = 0; i < 4; ++i)
      vst1q_f32(p + 4 * i, a.v[i]);
  }
  static void store_f16(std::uint16_t* p, f32x16 a) {
    for (int i = 0; i < 4; ++i)
      vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.v[i])));
  }

  static f32x16 add(f32x16 a, f32x16 b) {
    return each([&](int i) { return vaddq_f32(a.v[i], b.v[i]); });
  }
  static f32x16 sub(f32x16 a, f32x16 b) {
    return each([&](int i) { return vsubq_f32(a.v[i], b.v[i]); });
  }
  static f32x16 mul(f32x16 a, f32x16 b) {
    return each([&](int i) { return vmulq_f32(a.v[i], b.v[i]); });
  }
  static f32x16 div(f32x16 a, f32x16 b) {
    return each([&](int i) { return vdivq_f32(a.v[i], b.v[i]); });
  }
  static f32x16 fma(f32x16 a, f32x16 b, f32x16 c) {
    return each([&](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); });
  }
  // ARM's own maximum gives NaN where an argument is one; the reference gives `b`.
  static float32x4_t max4(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static f32x16 max(f32x16 a, f32x16 b) {
    return each([&](int i) { return max4(a.v[i], b.v[i]); });
  }
  static f32x16 min(f32x16 a, f32x16 b) {
    return each([&](int i) { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
  }
  static f32x16 sqrt(f32x16 a) {
    return each([&](int i) { return vsqrtq_f32(a.v[i]); });
  }
  static f32x16 abs(f32x16 a) {
    return each([&](int i) { return vabsq_f32(a.v[i]); });
  }
  static f32x16 copy_sign(f32x16 a, f32x16 sign) {
    const auto bit = vdupq_n_u32(0x80000000u);
    return each([&](int i) { return vbslq_f32(bit, sign.v[i], a.v[i]); });
  }
  static f32x16 add_exponent(f32x16 a, f32x16 n) {
    return each([&](int i) {
      return vreinterpretq_f32_u32(
          vaddq_u32(vreinterpretq_u32_f32(a.v[i]), vshlq_n_u32(vreinterpretq_u32_f32(n.v[i]), 23)));
    });
  }

  static float reduce_add(f32x16 a) {
    const auto four = vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
    const auto two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
  }
  static float reduce_max(f32x16 a) {
    const auto four = max4(max4(a.v[0], a.v[2]), max4(a.v[1], a.v[3]));
    const auto low = vget_low_f32(four), high = vget_high_f32(four);
    const auto two = vbsl_f32(vcgt_f32(low, high), low, high);
    const auto x = vget_lane_f32(two, 0), y = vget_lane_f32(two, 1);
    return x > y ? x : y;
  }

  static void store_i8(std::int8_t* p, f32x16 a) {
    const auto words = [&](int i) {
      return vcombine_s16(vmovn_s32(vcvtq_s32_f32(a.v[i])), vmovn_s32(vcvtq_s32_f32(a.v[i + 1])));
    };
    vst1q_s8(p, vcombine_s8(vmovn_s16(words(0)), vmovn_s16(words(2))));
  }
  static void accumulate_i64(std::int64_t* p, f32x16 a) {
    const auto add_two = [](std::int64_t* at, float32x2_t x) {
      vst1q_s64(at, vaddq_s64(vld1q_s64(at), vcvtnq_s64_f64(vcvt_f64_f32(x))));
    };
    for (int i = 0; i < 4; ++i) {
      add_two(p + 4 * i, vget_low_f32(a.v[i]));
      add_two(p + 4 * i + 2, vget_high_f32(a.v[i]));
    }
  }
  static f32x16 from_fixed(const std::int64_t* p) {
    const auto two = [](const std::int64_t* at) {
      return vcvt_f32_f64(vmulq_n_f64(vcvtq_f64_s64(vld1q_s64(at)), 0x1p-32));
    };
    return each([&](int i) { return vcombine_f32(two(p + 4 * i), two(p + 4 * i + 2)); });
  }
};

} // namespace larql::kernels
