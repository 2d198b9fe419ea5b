// ref/simd16.hpp in one 512-bit register. Same bits. Needs AVX-512 F, BW, DQ and VL.

#pragma once

#include <cstddef>
#include <cstdint>
#include <immintrin.h>

namespace larql::kernels {

struct simd16_avx512 {
  static constexpr int width = 16;
  static constexpr std::size_t accumulators = 16;

  struct f32x16 {
    __m512 v;
  };

  static f32x16 zero() { return {_mm512_setzero_ps()}; }
  static f32x16 set1(float x) { return {_mm512_set1_ps(x)}; }
  static f32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static f32x16 load_f16(const std::uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static f32x16 load_bf16(const std::uint16_t* p) {
    const auto x = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(x, 16))};
  }
  static void store(float* p, f32x16 a) { _mm512_storeu_ps(p, a.v); }
  static void store_f16(std::uint16_t* p, f32x16 a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }

  static f32x16 add(f32x16 a, f32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
  static f32x16 sub(f32x16 a, f32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
  static f32x16 mul(f32x16 a, f32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
  static f32x16 div(f32x16 a, f32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
  static f32x16 fma(f32x16 a, f32x16 b, f32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static f32x16 max(f32x16 a, f32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
  static f32x16 min(f32x16 a, f32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
  static f32x16 sqrt(f32x16 a) { return {_mm512_sqrt_ps(a.v)}; }
  static f32x16 abs(f32x16 a) { return {_mm512_abs_ps(a.v)}; }
  static f32x16 copy_sign(f32x16 a, f32x16 s) {
    const auto sign = _mm512_set1_epi32(static_cast<int>(0x80000000u));
    // 0xca: sign ? s : a, bit by bit
    return {_mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(sign, _mm512_castps_si512(s.v), _mm512_castps_si512(a.v), 0xca))};
  }
  static f32x16 add_exponent(f32x16 a, f32x16 n) {
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a.v),
                                                 _mm512_slli_epi32(_mm512_castps_si512(n.v), 23)))};
  }

  static float reduce_add(f32x16 a) {
    const auto s8 = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    const auto s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const auto s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_add_ss(s2, _mm_movehdup_ps(s2)));
  }
  /// out[i] = reduce_add(a[i]): the same additions, those of all sums beside each other.
  static void reduce_add_each(const f32x16 (&a)[16], float* out) {
    __m512 fours[4]; // fours[i]: what is left of a[i], a[i + 4], a[i + 8], a[i + 12]
    for (int i = 0; i < 4; ++i) {
      const auto first = add_halves(a[i].v, a[i + 4].v);
      const auto second = add_halves(a[i + 8].v, a[i + 12].v);
      fours[i] = _mm512_add_ps(_mm512_shuffle_f32x4(first, second, 0x88),
                               _mm512_shuffle_f32x4(first, second, 0xdd));
    }
    const auto first = add_pairs(fours[0], fours[1]);
    const auto second = add_pairs(fours[2], fours[3]);
    _mm512_storeu_ps(out, _mm512_add_ps(_mm512_shuffle_ps(first, second, 0x88),
                                        _mm512_shuffle_ps(first, second, 0xdd)));
  }

  // Lanes 0-7 + lanes 8-15 of a, then of b.
  static __m512 add_halves(__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  }
  // Of every four lanes of a, then of b: the first two + the last two.
  static __m512 add_pairs(__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
  }

  static float reduce_max(f32x16 a) {
    const auto s8 = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
    const auto s4 = _mm_max_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
    const auto s2 = _mm_max_ps(s4, _mm_movehl_ps(s4, s4));
    return _mm_cvtss_f32(_mm_max_ss(s2, _mm_movehdup_ps(s2)));
  }

  static void store_i8(std::int8_t* p, f32x16 a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a.v)));
  }
  static void accumulate_i64(std::int64_t* p, f32x16 a) {
    const auto add_half = [](std::int64_t* q, __m512i x) {
      _mm512_storeu_si512(q, _mm512_add_epi64(_mm512_loadu_si512(q), x));
    };
    add_half(p, _mm512_cvtps_epi64(_mm512_castps512_ps256(a.v)));
    add_half(p + 8, _mm512_cvtps_epi64(_mm512_extractf32x8_ps(a.v, 1)));
  }
  static f32x16 from_fixed(const std::int64_t* p) {
    const auto half = [](const std::int64_t* q) {
      return _mm512_cvtpd_ps(
          _mm512_mul_pd(_mm512_cvtepi64_pd(_mm512_loadu_si512(q)), _mm512_set1_pd(0x1p-32)));
    };
    return {_mm512_insertf32x8(_mm512_castps256_ps512(half(p)), half(p + 8), 1)};
  }
};

} // namespace larql::kernels
