// Matrix products with AVX2. Included by kernels.cpp only. Same plan as avx512/dot_block256.hpp:
// integer sums of a block are exact, so the order of the float operations is all there is to keep.

#pragma once

#include "runtime/kernels/avx2/decode.hpp"
#include "runtime/kernels/avx2/simd16.hpp"
#include "runtime/kernels/dot_floats.hpp"

namespace larql::kernels::avx2 {

/// Whether there is a product for such blocks here: their layout is known and sums of two products
/// fit the sixteen bits that maddubs gives them.
consteval bool is_supported(const block_facts& f) {
  const auto largest = f.max_code > 127 ? 128 : f.max_code; // has_signed_codes
  const auto pairs_fit = 2 * largest * 127 <= 32767;
  switch (f.codes) {
  case code_layout::plain_f32:
  case code_layout::plain_f16:
  case code_layout::plain_bf16: return true;
  case code_layout::signed_bytes:
  case code_layout::nibbles:
  case code_layout::nibbles_fifth:
  case code_layout::nibbles_iq4_nl:
  case code_layout::nibbles_mxfp4:
  case code_layout::nibbles_iq4_xs: return pairs_fit;
  case code_layout::k_nibbles:
  case code_layout::k_nibbles_fifth:
  case code_layout::linear_six:
  case code_layout::ggml_six:
  case code_layout::k_pairs:
  case code_layout::k_pairs_third:
  case code_layout::lattice_2xxs:
  case code_layout::lattice_2xs:
  case code_layout::lattice_2s:
  case code_layout::lattice_3xxs:
  case code_layout::lattice_3s: return pairs_fit && f.max_code <= 127;
  }
  return false;
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

// ---- products ---------------------------------------------------------------------------------

// Sums of two products of codes and inputs, sixteen bits each.
template <encoding E>
static inline __m256i pair_products(__m256i code, __m256i a) {
  constexpr auto largest = has_signed_codes<E> ? 128 : block_traits<E>.max_code;
  static_assert(2 * largest * 127 <= 32767, "maddubs adds two products in sixteen bits");
  if constexpr (has_signed_codes<E>)
    return _mm256_maddubs_epi16(_mm256_abs_epi8(code), _mm256_sign_epi8(a, code));
  else
    return _mm256_maddubs_epi16(code, a);
}

// ---- blocks of 256 ----------------------------------------------------------------------------

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
  constexpr auto& facts = block_traits<E>;
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
      const auto* p = row + (first + b) * facts.bytes;
      for (std::size_t line = 0; line < facts.bytes; line += 64)
        prefetch(p, 4096 + line);
      const auto scales = group_scales<E>{p};
      bits[b] = d_bits<E>(p);
      const auto* q = x.q + input * x.cols + (first + b) * 256;
      for (int sub = 0; sub < 8; ++sub) {
        const auto code = codes256<E>(p, sub);
        const auto scale = scales.scale(sub);
        for (int n = 0; n < Inputs; ++n) {
          const auto a = _mm256_loadu_si256(as256(q + n * x.cols + 32 * sub));
          const auto products = pair_products<E>(code, a);
          sum[n][b] = _mm256_add_epi32(sum[n][b], _mm256_madd_epi16(products, scale));
        }
      }
      if constexpr (!has_signed_codes<E>)
        for (int n = 0; n < Inputs; ++n) {
          const auto sums =
              _mm256_loadu_si256(as256(x.sums + (input + n) * x.sum_stride + (first + b) * 16));
          const auto offsets = _mm256_madd_epi16(sums, scales.sum_factors());
          if constexpr (facts.has_min)
            min_sum[n][b] = offsets;
          else
            sum[n][b] = _mm256_sub_epi32(sum[n][b], offsets);
        }
    }
    __m128 d, d_min;
    four_scales(bits, d, d_min);
    if constexpr (facts.d_factor != 1)
      d = _mm_mul_ps(d, _mm_set1_ps(facts.d_factor));
    for (int n = 0; n < Inputs; ++n) {
      const auto scale = _mm_loadu_ps(x.scale + (input + n) * x.scale_stride + first);
      const auto total = sum_each(sum[n][0], sum[n][1], sum[n][2], sum[n][3]);
      acc[n] = _mm_fmadd_ps(_mm_mul_ps(d, scale), _mm_cvtepi32_ps(total), acc[n]);
      if constexpr (facts.has_min) {
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

// Eight 32-bit partial sums of codes times inputs.
template <encoding E>
static inline __m256i products32(__m256i code, __m256i a) {
  return _mm256_madd_epi16(pair_products<E>(code, a), _mm256_set1_epi16(1));
}

// The half-precision number at byte `offset` of up to eight blocks; zeros after `count`.
static inline __m256 eight_halves(const std::uint8_t* p, std::size_t stride, std::size_t count) {
  alignas(16) std::uint16_t halves[8] = {};
  for (std::size_t i = 0; i < count && i < 8; ++i)
    halves[i] = load_u16(p + i * stride);
  return _mm256_cvtph_ps(_mm_load_si128(as128(halves)));
}

// d of up to eight blocks; zeros after `count`.
template <encoding E>
static inline __m256 eight_scales(const std::uint8_t* p, std::size_t count) {
  constexpr auto& facts = block_traits<E>;
  if constexpr (facts.d_is == quant::d_kind::exponent) {
    alignas(32) float d[8] = {};
    for (std::size_t i = 0; i < count && i < 8; ++i)
      d[i] = exponent_to_float(p[i * facts.bytes + facts.d_at]);
    return _mm256_load_ps(d);
  } else {
    static_assert(facts.d_factor == 1);
    return eight_halves(p + facts.d_at, facts.bytes, count);
  }
}

template <encoding E, int Inputs>
static void dot_32(const std::uint8_t* row, const activation_view& x, std::size_t input, float* out,
                   std::size_t out_stride) {
  constexpr auto& facts = block_traits<E>;
  const std::size_t blocks = x.cols / 32;
  __m256 acc[Inputs][2]; // lanes 0-7 and 8-15 of the sixteen
  for (int n = 0; n < Inputs; ++n)
    acc[n][0] = acc[n][1] = _mm256_setzero_ps();
  for (std::size_t first = 0; first < blocks; first += 8) {
    const auto count = blocks - first < 8 ? blocks - first : 8;
    const auto* p = row + first * facts.bytes;
    __m256i sum[Inputs][8];
    for (std::size_t b = 0; b < 8; ++b) {
      if (b >= count) {
        for (int n = 0; n < Inputs; ++n)
          sum[n][b] = _mm256_setzero_si256();
        continue;
      }
      prefetch(p + b * facts.bytes, 4096);
      const auto code = codes32<E>(p + b * facts.bytes);
      for (int n = 0; n < Inputs; ++n)
        sum[n][b] = products32<E>(
            code, _mm256_loadu_si256(as256(x.q + (input + n) * x.cols + (first + b) * 32)));
    }
    const auto d = eight_scales<E>(p, count);
    const auto min =
        facts.has_min ? eight_halves(p + facts.min_at, facts.bytes, count) : _mm256_setzero_ps();
    for (int n = 0; n < Inputs; ++n) {
      const auto scale = _mm256_loadu_ps(x.scale + (input + n) * x.scale_stride + first);
      const auto sums = _mm256_cvtepi16_epi32(
          _mm_loadu_si128(as128(x.sums + (input + n) * x.sum_stride + first)));
      auto total = sum_eight(sum[n]);
      if constexpr (facts.offset != 0 && !has_signed_codes<E>)
        total = _mm256_sub_epi32(total, _mm256_slli_epi32(sums, facts.offset_shift()));
      auto& lanes = acc[n][first / 8 % 2];
      lanes = _mm256_fmadd_ps(_mm256_mul_ps(d, scale), _mm256_cvtepi32_ps(total), lanes);
      if constexpr (facts.has_min)
        lanes = _mm256_fmadd_ps(_mm256_mul_ps(min, scale), _mm256_cvtepi32_ps(sums), lanes);
    }
  }
  for (int n = 0; n < Inputs; ++n)
    out[n * out_stride] = simd16_avx2::reduce_add({acc[n][0], acc[n][1]});
}

template <encoding E, int Inputs>
static inline void dot(const std::uint8_t* row, const activation_view& x, std::size_t input,
                       float* out, std::size_t out_stride) {
  if constexpr (block_traits<E>.weights == 1)
    dot_floats<simd16_avx2, E, Inputs>(row, x, input, out, out_stride);
  else if constexpr (block_traits<E>.weights == 32)
    dot_32<E, Inputs>(row, x, input, out, out_stride);
  else
    dot_256<E, Inputs>(row, x, input, out, out_stride);
}

} // namespace larql::kernels::avx2
