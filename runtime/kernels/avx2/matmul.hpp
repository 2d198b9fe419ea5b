// Matrix products with AVX2. Included by avx2/kernels.cpp only. Same plan as dot_block256.hpp:
// integer sums of a block are exact, so the order of the float operations is all there is to keep.

#pragma once

#include "runtime/kernels/activations.hpp"
#include "runtime/kernels/avx2/simd16.hpp"
#include "runtime/quant/encoding.hpp"

#include <cstring>
#include <immintrin.h>

namespace larql::kernels::avx2 {

using quant::encoding;

static inline const __m128i* as128(const void* p) {
  return static_cast<const __m128i*>(p);
}
static inline const __m256i* as256(const void* p) {
  return static_cast<const __m256i*>(p);
}

static inline std::uint16_t load_u16(const std::uint8_t* p) {
  std::uint16_t x;
  std::memcpy(&x, p, 2);
  return x;
}
static inline std::uint32_t load_u32(const std::uint8_t* p) {
  std::uint32_t x;
  std::memcpy(&x, p, 4);
  return x;
}

// Asks for the cache line `ahead` bytes after p. That may lie behind the end of the weights, where
// a pointer would not be defined.
static inline void prefetch(const std::uint8_t* p, std::size_t ahead) {
  _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(p) + ahead),
               _MM_HINT_T0);
}

// ---- horizontal sums of integers --------------------------------------------------------------

// Per 128-bit half: lane i is the sum of that half of argument i.
static inline __m256i sum_halves(__m256i a, __m256i b, __m256i c, __m256i d) {
  const auto ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
  const auto cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
  return _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
}
// Lane i of the result is the sum of all lanes of the i-th argument.
static inline __m128i sum_each(__m256i a, __m256i b, __m256i c, __m256i d) {
  const auto all = sum_halves(a, b, c, d);
  return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}
static inline __m256i sum_eight(const __m256i* z) {
  return _mm256_set_m128i(sum_each(z[4], z[5], z[6], z[7]), sum_each(z[0], z[1], z[2], z[3]));
}

// ---- blocks of 256 ----------------------------------------------------------------------------

// Sub-block j (32 codes in element order) and its scale vector, one 16-bit scale per pair of codes.
// prepare() reads what the sub-blocks share.
template <encoding E>
struct traits256;

struct k_scale_bytes {
  alignas(16) std::uint8_t scale[8];
  std::uint8_t min[8];
};
static inline k_scale_bytes k_scales(const std::uint8_t* p) {
  constexpr auto six = 0x3f3f3f3fu, four = 0x0f0f0f0fu, two = 0x03030303u;
  const auto a = load_u32(p), b = load_u32(p + 4), c = load_u32(p + 8);
  const std::uint32_t words[4] = {a & six, (c & four) | ((a >> 6 & two) << 4), b & six,
                                  (c >> 4 & four) | ((b >> 6 & two) << 4)};
  k_scale_bytes out;
  std::memcpy(&out, words, sizeof out);
  return out;
}
// Each minimum twice, because sums are kept per 16.
static inline __m256i k_minima(const k_scale_bytes& s) {
  const auto m = _mm_loadl_epi64(as128(s.min));
  return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(m, m));
}
static inline __m256i k_nibbles(const std::uint8_t* p, int sub) {
  const auto bytes = _mm256_loadu_si256(as256(p + 32 * (sub / 2)));
  const auto shifted = sub % 2 == 0 ? bytes : _mm256_srli_epi16(bytes, 4);
  return _mm256_and_si256(shifted, _mm256_set1_epi8(15));
}

template <>
struct traits256<encoding::q4_k> {
  static constexpr std::size_t bytes = 144;
  static constexpr bool has_min = true;
  k_scale_bytes scales;
  explicit traits256(const std::uint8_t* p) : scales(k_scales(p + 4)) {}
  static __m256i code(const std::uint8_t* p, int sub) { return k_nibbles(p + 16, sub); }
  __m256i scale(int sub) const { return _mm256_set1_epi16(scales.scale[sub]); }
  __m256i min() const { return k_minima(scales); }
  static std::uint32_t d_bits(const std::uint8_t* p) { return load_u32(p); }
};

template <>
struct traits256<encoding::q5_k> {
  static constexpr std::size_t bytes = 176;
  static constexpr bool has_min = true;
  k_scale_bytes scales;
  explicit traits256(const std::uint8_t* p) : scales(k_scales(p + 4)) {}
  static __m256i code(const std::uint8_t* p, int sub) {
    const auto bit = _mm256_set1_epi8(static_cast<char>(1 << sub));
    const auto fifth = _mm256_loadu_si256(as256(p + 16));
    const auto set = _mm256_cmpeq_epi8(_mm256_and_si256(fifth, bit), bit);
    return _mm256_or_si256(k_nibbles(p + 48, sub), _mm256_and_si256(set, _mm256_set1_epi8(16)));
  }
  __m256i scale(int sub) const { return _mm256_set1_epi16(scales.scale[sub]); }
  __m256i min() const { return k_minima(scales); }
  static std::uint32_t d_bits(const std::uint8_t* p) { return load_u32(p); }
};

template <>
struct traits256<encoding::q6_k> {
  static constexpr std::size_t bytes = 210;
  static constexpr bool has_min = false;
  __m256i scales; // sixteen 16-bit group scales
  explicit traits256(const std::uint8_t* p)
      : scales(_mm256_cvtepi8_epi16(_mm_loadu_si128(as128(p + 192)))) {}
  static __m256i code(const std::uint8_t* p, int sub) {
    // Element i: nibble i%2 of byte i/2, and bits 2(i%4) of byte 128 + i/4.
    const auto pairs = _mm256_cvtepu8_epi16(_mm_loadu_si128(as128(p + 16 * sub)));
    const auto low =
        _mm256_and_si256(_mm256_or_si256(pairs, _mm256_slli_epi16(pairs, 4)), _mm256_set1_epi8(15));
    const auto quads = _mm256_cvtepu8_epi32(_mm_loadl_epi64(as128(p + 128 + 8 * sub)));
    // x | x << 6 | x << 12 | x << 18 has bits 2j, 2j+1 of x at the bottom of byte j.
    const auto twice = _mm256_or_si256(quads, _mm256_slli_epi32(quads, 12));
    const auto high =
        _mm256_and_si256(_mm256_or_si256(twice, _mm256_slli_epi32(twice, 6)), _mm256_set1_epi8(3));
    return _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
  }
  __m256i scale(int sub) const {
    alignas(32) std::int16_t s[16];
    _mm256_store_si256(reinterpret_cast<__m256i*>(s), scales);
    return _mm256_set_m128i(_mm_set1_epi16(s[2 * sub + 1]), _mm_set1_epi16(s[2 * sub]));
  }
  __m256i min() const { return _mm256_slli_epi16(scales, 5); } // codes are offset by 32
  static std::uint32_t d_bits(const std::uint8_t* p) { return load_u16(p + 208); }
};

static inline void four_scales(const std::uint32_t* bits, __m128& d, __m128& d_min) {
  const auto halves = _mm_setr_epi32(static_cast<int>(bits[0]), static_cast<int>(bits[1]),
                                     static_cast<int>(bits[2]), static_cast<int>(bits[3]));
  const auto floats = _mm256_cvtph_ps(halves); // d0 m0 d1 m1 d2 m2 d3 m3
  const auto low = _mm256_castps256_ps128(floats);
  const auto high = _mm256_extractf128_ps(floats, 1);
  d = _mm_shuffle_ps(low, high, 0x88);
  d_min = _mm_shuffle_ps(low, high, 0xdd);
}

template <encoding E, int Inputs>
static void dot_256(const std::uint8_t* row, const activation_view& x, std::size_t input,
                    float* out, std::size_t out_stride) {
  using traits = traits256<E>;
  const std::size_t blocks = x.cols / 256;
  __m128 acc[Inputs];
  for (int n = 0; n < Inputs; ++n)
    acc[n] = _mm_setzero_ps();
  for (std::size_t first = 0; first < blocks; first += 4) {
    __m256i sum[Inputs][4];
    __m256i min_sum[Inputs][4];
    std::uint32_t bits[4] = {0, 0, 0, 0};
    for (std::size_t b = 0; b < 4; ++b) {
      for (int n = 0; n < Inputs; ++n)
        sum[n][b] = min_sum[n][b] = _mm256_setzero_si256();
      if (first + b >= blocks)
        continue;
      const auto* p = row + (first + b) * traits::bytes;
      for (std::size_t line = 0; line < traits::bytes; line += 64)
        prefetch(p, 4096 + line);
      const auto shared = traits{p};
      bits[b] = traits::d_bits(p);
      const auto* q = x.q + input * x.cols + (first + b) * 256;
      for (int sub = 0; sub < 8; ++sub) {
        const auto code = traits::code(p, sub);
        const auto scale = shared.scale(sub);
        for (int n = 0; n < Inputs; ++n) {
          const auto a = _mm256_loadu_si256(as256(q + n * x.cols + 32 * sub));
          const auto products = _mm256_maddubs_epi16(code, a); // at most 2 * 63 * 127: no overflow
          sum[n][b] = _mm256_add_epi32(sum[n][b], _mm256_madd_epi16(products, scale));
        }
      }
      for (int n = 0; n < Inputs; ++n) {
        const auto sums =
            _mm256_loadu_si256(as256(x.sums + (input + n) * x.sum_stride + (first + b) * 16));
        const auto offsets = _mm256_madd_epi16(sums, shared.min());
        if constexpr (traits::has_min)
          min_sum[n][b] = offsets;
        else
          sum[n][b] = _mm256_sub_epi32(sum[n][b], offsets);
      }
    }
    __m128 d, d_min;
    four_scales(bits, d, d_min);
    for (int n = 0; n < Inputs; ++n) {
      const auto scale = _mm_loadu_ps(x.scale + (input + n) * x.scale_stride + first);
      const auto total = sum_each(sum[n][0], sum[n][1], sum[n][2], sum[n][3]);
      acc[n] = _mm_fmadd_ps(_mm_mul_ps(d, scale), _mm_cvtepi32_ps(total), acc[n]);
      if constexpr (traits::has_min) {
        const auto mins = sum_each(min_sum[n][0], min_sum[n][1], min_sum[n][2], min_sum[n][3]);
        acc[n] = _mm_fnmadd_ps(_mm_mul_ps(d_min, scale), _mm_cvtepi32_ps(mins), acc[n]);
      }
    }
  }
  for (int n = 0; n < Inputs; ++n) {
    const auto pair = _mm_add_ps(acc[n], _mm_movehl_ps(acc[n], acc[n]));
    out[n * out_stride] = _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
  }
}

// ---- blocks of 32 -----------------------------------------------------------------------------

// Codes of one block in element order: unsigned with an offset taken out later, or signed.
template <encoding E>
struct traits32;

static inline __m256i nibbles32(const std::uint8_t* p) {
  const auto bytes = _mm_loadu_si128(as128(p));
  return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(bytes, 4), bytes), _mm256_set1_epi8(15));
}
static inline __m256i fifth_bits(__m256i codes, const std::uint8_t* p) {
  // Byte i of a quarter looks at bit i%8 of the i/8-th byte of the 32 bits.
  const auto bits = _mm256_shuffle_epi8(
      _mm256_set1_epi32(static_cast<int>(load_u32(p))),
      _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0));
  const auto mask = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  const auto set = _mm256_cmpeq_epi8(_mm256_and_si256(bits, mask), mask);
  return _mm256_or_si256(codes, _mm256_and_si256(set, _mm256_set1_epi8(16)));
}

template <>
struct traits32<encoding::q4_0> {
  static constexpr std::size_t bytes = 18;
  static constexpr int offset_shift = 3;
  static constexpr bool is_signed = false, has_min = false;
  static __m256i unpack(const std::uint8_t* p) { return nibbles32(p + 2); }
};

template <>
struct traits32<encoding::q5_0> {
  static constexpr std::size_t bytes = 22;
  static constexpr int offset_shift = 4;
  static constexpr bool is_signed = false, has_min = false;
  static __m256i unpack(const std::uint8_t* p) { return fifth_bits(nibbles32(p + 6), p + 2); }
};

template <>
struct traits32<encoding::q5_1> {
  static constexpr std::size_t bytes = 24;
  static constexpr int offset_shift = -1; // no offset
  static constexpr bool is_signed = false, has_min = true;
  static __m256i unpack(const std::uint8_t* p) { return fifth_bits(nibbles32(p + 8), p + 4); }
};

template <>
struct traits32<encoding::iq4_nl> {
  static constexpr std::size_t bytes = 18;
  static constexpr int offset_shift = -1;
  static constexpr bool is_signed = true, has_min = false;
  static __m256i unpack(const std::uint8_t* p) {
    const auto table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113));
    return _mm256_shuffle_epi8(table, nibbles32(p + 2));
  }
};

template <>
struct traits32<encoding::q8_0> {
  static constexpr std::size_t bytes = 34;
  static constexpr int offset_shift = -1;
  static constexpr bool is_signed = true, has_min = false;
  static __m256i unpack(const std::uint8_t* p) { return _mm256_loadu_si256(as256(p + 2)); }
};

// Eight 32-bit partial sums of codes times inputs.
template <encoding E>
static inline __m256i products32(__m256i code, __m256i a) {
  const auto ones = _mm256_set1_epi16(1);
  if constexpr (traits32<E>::is_signed) // |code| <= 128 and |a| <= 127: pairs fit 16 bits
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(code), _mm256_sign_epi8(a, code)),
                             ones);
  else
    return _mm256_madd_epi16(_mm256_maddubs_epi16(code, a), ones);
}

// The half-precision number at byte `offset` of up to eight blocks; zeros after `count`.
static inline __m256 eight_halves(const std::uint8_t* p, std::size_t stride, std::size_t count) {
  alignas(16) std::uint16_t halves[8] = {};
  for (std::size_t i = 0; i < count && i < 8; ++i)
    halves[i] = load_u16(p + i * stride);
  return _mm256_cvtph_ps(_mm_load_si128(as128(halves)));
}

template <encoding E, int Inputs>
static void dot_32(const std::uint8_t* row, const activation_view& x, std::size_t input, float* out,
                   std::size_t out_stride) {
  using traits = traits32<E>;
  const std::size_t blocks = x.cols / 32;
  __m256 acc[Inputs][2]; // lanes 0-7 and 8-15 of the sixteen
  for (int n = 0; n < Inputs; ++n)
    acc[n][0] = acc[n][1] = _mm256_setzero_ps();
  for (std::size_t first = 0; first < blocks; first += 8) {
    const auto count = blocks - first < 8 ? blocks - first : 8;
    const auto* p = row + first * traits::bytes;
    __m256i sum[Inputs][8];
    for (std::size_t b = 0; b < 8; ++b) {
      if (b >= count) {
        for (int n = 0; n < Inputs; ++n)
          sum[n][b] = _mm256_setzero_si256();
        continue;
      }
      prefetch(p + b * traits::bytes, 4096);
      const auto code = traits::unpack(p + b * traits::bytes);
      for (int n = 0; n < Inputs; ++n)
        sum[n][b] = products32<E>(
            code, _mm256_loadu_si256(as256(x.q + (input + n) * x.cols + (first + b) * 32)));
    }
    const auto d = eight_halves(p, traits::bytes, count);
    const auto min =
        traits::has_min ? eight_halves(p + 2, traits::bytes, count) : _mm256_setzero_ps();
    for (int n = 0; n < Inputs; ++n) {
      const auto scale = _mm256_loadu_ps(x.scale + (input + n) * x.scale_stride + first);
      const auto sums = _mm256_cvtepi16_epi32(
          _mm_loadu_si128(as128(x.sums + (input + n) * x.sum_stride + first)));
      auto total = sum_eight(sum[n]);
      if constexpr (traits::offset_shift >= 0)
        total = _mm256_sub_epi32(total, _mm256_slli_epi32(sums, traits::offset_shift));
      auto& lanes = acc[n][first / 8 % 2];
      lanes = _mm256_fmadd_ps(_mm256_mul_ps(d, scale), _mm256_cvtepi32_ps(total), lanes);
      if constexpr (traits::has_min)
        lanes = _mm256_fmadd_ps(_mm256_mul_ps(min, scale), _mm256_cvtepi32_ps(sums), lanes);
    }
  }
  for (int n = 0; n < Inputs; ++n)
    out[n * out_stride] = simd16_avx2::reduce_add({acc[n][0], acc[n][1]});
}

// ---- plain floats -----------------------------------------------------------------------------

template <encoding E>
static inline simd16_avx2::f32x16 load_weights(const std::uint8_t* p, std::size_t i) {
  if constexpr (E == encoding::f32)
    return simd16_avx2::load(reinterpret_cast<const float*>(p + i * 4));
  else if constexpr (E == encoding::f16)
    return simd16_avx2::load_f16(reinterpret_cast<const std::uint16_t*>(p + i * 2));
  else
    return simd16_avx2::load_bf16(reinterpret_cast<const std::uint16_t*>(p + i * 2));
}

template <encoding E, int Inputs>
static void dot_float(const std::uint8_t* row, const activation_view& x, std::size_t input,
                      float* out, std::size_t out_stride) {
  using lanes = simd16_avx2;
  constexpr auto bytes = quant::shape_of(E).bytes;
  lanes::f32x16 acc[Inputs];
  for (int n = 0; n < Inputs; ++n)
    acc[n] = lanes::zero();
  const auto* a = x.f32 + input * x.cols;
  const std::size_t whole = x.cols / 16 * 16;
  for (std::size_t i = 0; i < whole; i += 16) {
    const auto w = load_weights<E>(row, i);
    for (int n = 0; n < Inputs; ++n)
      acc[n] = lanes::fma(w, lanes::load(a + n * x.cols + i), acc[n]);
  }
  if (const auto rest = x.cols - whole; rest != 0) {
    alignas(32) std::uint8_t padded_row[64] = {};
    std::memcpy(padded_row, row + whole * bytes, rest * bytes);
    const auto w = load_weights<E>(padded_row, 0);
    for (int n = 0; n < Inputs; ++n) {
      alignas(32) float padded[16] = {};
      std::memcpy(padded, a + n * x.cols + whole, rest * sizeof(float));
      acc[n] = lanes::fma(w, lanes::load(padded), acc[n]);
    }
  }
  for (int n = 0; n < Inputs; ++n)
    out[n * out_stride] = lanes::reduce_add(acc[n]);
}

template <encoding E, int Inputs>
static inline void dot(const std::uint8_t* row, const activation_view& x, std::size_t input,
                       float* out, std::size_t out_stride) {
  if constexpr (quant::shape_of(E).weights == 1)
    dot_float<E, Inputs>(row, x, input, out, out_stride);
  else if constexpr (quant::shape_of(E).weights == 32)
    dot_32<E, Inputs>(row, x, input, out, out_stride);
  else
    dot_256<E, Inputs>(row, x, input, out, out_stride);
}

} // namespace larql::kernels::avx2
