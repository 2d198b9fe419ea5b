// Sixteen float lanes in plain C++: the normative meaning of every lane operation.
//
// Numerics  IEEE single precision, round to nearest even; `fma` rounds once; `max(a, b)` is
//           `a > b ? a : b` and `min` likewise, so a NaN in `a` gives `b`, as x86 does.
//           avx2/simd16.hpp and avx512/simd16.hpp return the same bits for every operation.
// Threads   Pure functions.

#pragma once

#include "runtime/quant/half.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace larql::kernels {

struct simd16_ref {
  static constexpr int width = 16;
  /// Vectors of sums that fit into the registers beside what they are sums of.
  static constexpr std::size_t accumulators = 4;

  struct f32x16 {
    float v[width];
  };

  template <class F>
  static f32x16 each(F f) {
    f32x16 out;
    for (int i = 0; i < width; ++i)
      out.v[i] = f(i);
    return out;
  }

  static f32x16 zero() {
    return each([](int) { return 0.0f; });
  }
  static f32x16 set1(float x) {
    return each([=](int) { return x; });
  }
  static f32x16 load(const float* p) {
    return each([=](int i) { return p[i]; });
  }
  static f32x16 load_f16(const std::uint16_t* p) {
    return each([=](int i) { return quant::half_to_float(p[i]); });
  }
  static f32x16 load_bf16(const std::uint16_t* p) {
    return each([=](int i) { return quant::bf16_to_float(p[i]); });
  }
  static void store(float* p, f32x16 a) {
    for (int i = 0; i < width; ++i)
      p[i] = a.v[i];
  }
  static void store_f16(std::uint16_t* p, f32x16 a) {
    for (int i = 0; i < width; ++i)
      p[i] = quant::float_to_half(a.v[i]);
  }

  static f32x16 add(f32x16 a, f32x16 b) {
    return each([&](int i) { return a.v[i] + b.v[i]; });
  }
  static f32x16 sub(f32x16 a, f32x16 b) {
    return each([&](int i) { return a.v[i] - b.v[i]; });
  }
  static f32x16 mul(f32x16 a, f32x16 b) {
    return each([&](int i) { return a.v[i] * b.v[i]; });
  }
  static f32x16 div(f32x16 a, f32x16 b) {
    return each([&](int i) { return a.v[i] / b.v[i]; });
  }
  /// a * b + c, rounded once.
  static f32x16 fma(f32x16 a, f32x16 b, f32x16 c) {
    return each([&](int i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
  }
  static f32x16 max(f32x16 a, f32x16 b) {
    return each([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  static f32x16 min(f32x16 a, f32x16 b) {
    return each([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  static f32x16 sqrt(f32x16 a) {
    return each([&](int i) { return std::sqrt(a.v[i]); });
  }
  static f32x16 abs(f32x16 a) {
    return each([&](int i) { return std::fabs(a.v[i]); });
  }
  /// The sign of `sign` on the magnitude of `a`.
  static f32x16 copy_sign(f32x16 a, f32x16 sign) {
    return each([&](int i) { return std::copysign(a.v[i], sign.v[i]); });
  }
  /// a * 2^n, where `n` holds integers in its low mantissa bits (see math_ops.hpp, exp).
  /// @pre the result is a normal number
  static f32x16 add_exponent(f32x16 a, f32x16 n) {
    return each([&](int i) {
      return std::bit_cast<float>(std::bit_cast<std::uint32_t>(a.v[i]) +
                                  (std::bit_cast<std::uint32_t>(n.v[i]) << 23));
    });
  }

  /// Tree sum: lane l with l+8, then l+4, l+2, l+1.
  static float reduce_add(f32x16 a) {
    for (int half = width / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i)
        a.v[i] = a.v[i] + a.v[i + half];
    return a.v[0];
  }
  static float reduce_max(f32x16 a) {
    for (int half = width / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i)
        a.v[i] = a.v[i] > a.v[i + half] ? a.v[i] : a.v[i + half];
    return a.v[0];
  }

  /// Stores integral lanes as bytes. @pre every lane is an integer in [-128, 127]
  static void store_i8(std::int8_t* p, f32x16 a) {
    for (int i = 0; i < width; ++i)
      p[i] = static_cast<std::int8_t>(static_cast<int>(a.v[i]));
  }
  /// p[i] += a[i] rounded to an integer, ties to even. @pre |a[i]| < 2^62
  static void accumulate_i64(std::int64_t* p, f32x16 a) {
    for (int i = 0; i < width; ++i)
      p[i] += static_cast<std::int64_t>(std::nearbyint(a.v[i]));
  }
  /// Integers of 2^-32 as floats: exact sum to double, then to float.
  static f32x16 from_fixed(const std::int64_t* p) {
    return each([=](int i) { return static_cast<float>(static_cast<double>(p[i]) * 0x1p-32); });
  }
};

} // namespace larql::kernels
