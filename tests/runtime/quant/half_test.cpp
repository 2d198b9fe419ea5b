// Mirrors runtime/quant/half.hpp: every half and bfloat16 against the definition, and narrowing
// against the definition and the hardware.

#include "runtime/quant/half.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace larql::quant {
namespace {

std::uint32_t bits(float x) {
  return std::bit_cast<std::uint32_t>(x);
}
float from_bits(std::uint32_t b) {
  return std::bit_cast<float>(b);
}

// The value of a half by its definition. Not for NaN.
double half_value(std::uint32_t h) {
  const auto fraction = static_cast<double>(h & 0x3ffu);
  const auto exponent = static_cast<int>((h >> 10) & 31u);
  auto magnitude = exponent == 0    ? std::ldexp(fraction, -24)
                   : exponent == 31 ? std::numeric_limits<double>::infinity()
                                    : std::ldexp(1 + fraction / 1024, exponent - 15);
  return (h & 0x8000u) != 0 ? -magnitude : magnitude;
}
bool is_nan(std::uint32_t h) {
  return (h & 0x7c00u) == 0x7c00u && (h & 0x3ffu) != 0;
}

TEST(Half, EveryHalfWidensToItsValue) {
  for (auto h = 0u; h < 65536; ++h) {
    const auto x = half_to_float(static_cast<std::uint16_t>(h));
    if (is_nan(h)) {
      ASSERT_TRUE(std::isnan(x)) << h;
      continue;
    }
    ASSERT_EQ(x, half_value(h)) << h;
    ASSERT_EQ(std::signbit(x), (h & 0x8000u) != 0) << h; // of zeros too
  }
}

TEST(Half, EveryHalfSurvivesTheRoundTrip) {
  for (auto h = 0u; h < 65536; ++h) {
    const auto back = float_to_half(half_to_float(static_cast<std::uint16_t>(h)));
    ASSERT_EQ(back, is_nan(h) ? h | 0x200u : h) << h; // NaN becomes quiet
  }
}

// Floats that show every way of rounding to a half: all combinations of the upper 20 bits (sign,
// exponent, and one bit more than a half keeps) with remainders of nothing, a little, half, and
// nearly one.
template <class F>
void for_telling_floats(F f) {
  for (auto upper = std::uint32_t{0}; upper < 1u << 20; ++upper)
    for (const auto lower : {0u, 1u, 0x7ffu, 0x800u, 0x801u, 0xfffu})
      f(from_bits(upper << 12 | lower));
}

TEST(Half, NarrowingTakesTheNearestAndTheEvenOneOfTwo) {
  // Halves in order of magnitude are consecutive numbers, so the candidates are the one found and
  // its neighbours.
  for_telling_floats([](float x) {
    const auto h = float_to_half(x);
    if (std::isnan(x)) {
      ASSERT_TRUE(is_nan(h));
      return;
    }
    ASSERT_EQ((h & 0x8000u) != 0, std::signbit(x));
    const auto magnitude = static_cast<double>(std::fabs(x));
    if (magnitude >= 65520) { // halfway between the largest half and 2^16
      ASSERT_EQ(h & 0x7fffu, 0x7c00u) << x;
      return;
    }
    const auto m = h & 0x7fffu;
    const auto distance = std::fabs(half_value(m) - magnitude);
    const auto worse = [&](std::uint32_t other) {
      const auto d = std::fabs(half_value(other) - magnitude);
      return distance < d || (distance == d && m % 2 == 0);
    };
    ASSERT_LT(m, 0x7c00u) << x;
    if (m > 0) {
      ASSERT_TRUE(worse(m - 1)) << x;
    }
    if (m < 0x7bffu) {
      ASSERT_TRUE(worse(m + 1)) << x;
    }
  });
}

#if defined(__x86_64__)
__attribute__((target("f16c"))) std::uint16_t hardware_half(float x) {
  return static_cast<std::uint16_t>(_mm_extract_epi16(
      _mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), 0));
}
__attribute__((target("f16c"))) float hardware_float(std::uint16_t h) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
}
bool hardware_has_halves() {
  return __builtin_cpu_supports("avx2");
}
#elif defined(__aarch64__)
std::uint16_t hardware_half(float x) {
  return vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(x))), 0);
}
float hardware_float(std::uint16_t h) {
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0);
}
bool hardware_has_halves() {
  return true;
}
#endif

#if defined(__x86_64__) || defined(__aarch64__)
TEST(Half, TheHardwareConvertsTheSameBits) {
  if (!hardware_has_halves())
    GTEST_SKIP() << "this CPU has no F16C";
  for (auto h = 0u; h < 65536; ++h)
    ASSERT_EQ(bits(half_to_float(static_cast<std::uint16_t>(h))),
              bits(hardware_float(static_cast<std::uint16_t>(h))))
        << h;
  for_telling_floats([](float x) { ASSERT_EQ(float_to_half(x), hardware_half(x)) << bits(x); });
}
#endif

TEST(Bf16, EveryOneWidensToTheUpperHalfOfAFloat) {
  for (auto b = 0u; b < 65536; ++b)
    ASSERT_EQ(bits(bf16_to_float(static_cast<std::uint16_t>(b))), b << 16);
}

TEST(Bf16, NarrowingTakesTheNearestAndTheEvenOneOfTwo) {
  // All upper halves with remainders of nothing, a little, half, a little more, nearly one.
  for (auto upper = 0u; upper < 65536; ++upper)
    for (const auto lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const auto x = from_bits(upper << 16 | lower);
      const auto b = float_to_bf16(x);
      if (std::isnan(x)) {
        ASSERT_TRUE(std::isnan(bf16_to_float(b))) << bits(x);
        ASSERT_EQ(b & 0x40u, 0x40u); // quiet
        continue;
      }
      // The next number up of an upper half is the next integer, infinity after the largest.
      const auto up = lower > 0x8000u || (lower == 0x8000u && upper % 2 == 1);
      ASSERT_EQ(b, upper + up) << bits(x);
    }
}

} // namespace
} // namespace larql::quant
