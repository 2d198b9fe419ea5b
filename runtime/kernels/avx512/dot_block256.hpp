// Matrix products with AVX-512 (VNNI, VBMI). Included by matmul_*.cpp only.
//
// One weight row at a time, its codes unpacked once for up to eight inputs. A block's products are
// exact integers, so only the few float operations per block follow the order that ref/kernels.cpp
// defines.

#pragma once

#include "runtime/kernels/avx512/decode.hpp"
#include "runtime/kernels/avx512/simd16.hpp"

namespace larql::kernels::avx512 {

/// Whether there is a product for such blocks in these files: their layout is known.
consteval bool is_supported(const block_facts& f) {
  switch (f.codes) {
  case code_layout::plain_f32:
  case code_layout::plain_f16:
  case code_layout::plain_bf16:
  case code_layout::signed_bytes:
  case code_layout::nibbles:
  case code_layout::nibbles_fifth:
  case code_layout::nibbles_iq4_nl:
  case code_layout::nibbles_mxfp4:
  case code_layout::nibbles_iq4_xs:
  case code_layout::lattice_2xxs:
  case code_layout::lattice_2xs:
  case code_layout::lattice_2s:
  case code_layout::lattice_3xxs:
  case code_layout::lattice_3s: return true;
  case code_layout::k_nibbles:
  case code_layout::k_nibbles_fifth:
  case code_layout::linear_six:
  case code_layout::ggml_six:
  case code_layout::k_pairs:
  case code_layout::k_pairs_third: return packs_sums(f);
  }
  return false;
}

// ---- horizontal sums of integers --------------------------------------------------------------

// In each 128-bit lane, dword i of the result is the sum of that lane of the i-th argument.
static inline __m512i sum_lanes128(__m512i a, __m512i b, __m512i c, __m512i d) {
  const auto ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const auto cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

// Lane i of the result is the sum of all lanes of the i-th argument.
static inline __m128i sum_each(__m512i a, __m512i b, __m512i c, __m512i d) {
  const auto all = sum_lanes128(a, b, c, d);
  const auto half =
      _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}
static inline __m128i sum_each(__m256i a, __m256i b, __m256i c, __m256i d) {
  const auto ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
  const auto cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
  const auto all = _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
  return _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
}

// ---- blocks of 256 ----------------------------------------------------------------------------

// d and d_min of four blocks as floats; the bits are d | d_min << 16 of each block.
static inline void four_scales(const std::uint32_t* bits, __m128& d, __m128& d_min) {
  const auto halves = _mm_setr_epi32(static_cast<int>(bits[0]), static_cast<int>(bits[1]),
                                     static_cast<int>(bits[2]), static_cast<int>(bits[3]));
  const auto floats = _mm256_cvtph_ps(halves); // d0 m0 d1 m1 d2 m2 d3 m3
  const auto low = _mm256_castps256_ps128(floats);
  const auto high = _mm256_extractf128_ps(floats, 1);
  d = _mm_shuffle_ps(low, high, 0x88);
  d_min = _mm_shuffle_ps(low, high, 0xdd);
}

// Sum over groups of scale * (codes · inputs), still spread over sixteen lanes.
template <encoding E>
static inline __m512i scaled_products(const block256& w, const std::int8_t* q) {
  __m512i dot[4];
  for (int g = 0; g < 4; ++g)
    dot[g] = _mm512_dpbusd_epi32(_mm512_setzero_si512(), w.code[g], _mm512_loadu_si512(q + 64 * g));
  if constexpr (packs_sums(block_traits<E>)) {
    const auto z = _mm512_madd_epi16(_mm512_packs_epi32(dot[0], dot[1]), w.scale01);
    return _mm512_dpwssd_epi32(z, _mm512_packs_epi32(dot[2], dot[3]), w.scale23);
  } else {
    for (int g = 0; g < 4; ++g)
      dot[g] = _mm512_mullo_epi32(dot[g], w.wide_scale[g]);
    return _mm512_add_epi32(_mm512_add_epi32(dot[0], dot[1]), _mm512_add_epi32(dot[2], dot[3]));
  }
}

// The same of 32-weight groups whose first sixteen codes are in one register, together with those
// of three other groups, and whose second sixteen are in the next one; the inputs lie likewise.
static inline __m512i scaled_halves(const block256& w, const std::int8_t* q) {
  __m512i dot[2];
  for (int h = 0; h < 2; ++h) {
    const auto first =
        _mm512_dpbusd_epi32(_mm512_setzero_si512(), w.code[2 * h], _mm512_loadu_si512(q + 128 * h));
    dot[h] = _mm512_dpbusd_epi32(first, w.code[2 * h + 1], _mm512_loadu_si512(q + 128 * h + 64));
    dot[h] = _mm512_mullo_epi32(dot[h], w.wide_scale[h]);
  }
  return _mm512_add_epi32(dot[0], dot[1]);
}

/// Halves: x.q is in the order of order_halves, and E's groups come apart like that.
template <encoding E, int Inputs, bool Halves = false>
static void dot_256(const std::uint8_t* row, const activation_view& x, std::size_t input,
                    float* out, std::size_t out_stride) {
  constexpr auto& facts = block_traits<E>;
  const auto blocks = x.cols / 256;
  __m128 acc[Inputs];
  for (int n = 0; n < Inputs; ++n)
    acc[n] = _mm_setzero_ps();
  for (std::size_t first = 0; first < blocks; first += 4) {
    __m512i sum[Inputs][4];
    __m256i min_sum[Inputs][4];
    std::uint32_t bits[4] = {0, 0, 0, 0};
    const auto count = blocks - first < 4 ? blocks - first : 4;
    for (std::size_t b = 0; b < 4; ++b) {
      if (b >= count) {
        for (int n = 0; n < Inputs; ++n) {
          sum[n][b] = _mm512_setzero_si512();
          min_sum[n][b] = _mm256_setzero_si256();
        }
        continue;
      }
      const auto* p = row + (first + b) * facts.bytes;
      prefetch<facts.bytes>(address(p, row_prefetch_bytes));
      block256 w;
      if constexpr (Halves) {
        unpack_halves<E>(p, w);
      } else {
        unpack_all_codes<E>(p, w.code);
        unpack_scales<E>(p, w);
      }
      bits[b] = d_bits<E>(p);
      for (int n = 0; n < Inputs; ++n) {
        const auto* q = x.q + (input + n) * x.cols + (first + b) * 256;
        auto z = Halves ? scaled_halves(w, q) : scaled_products<E>(w, q);
        const auto sums =
            _mm256_loadu_si256(as256(x.sums + (input + n) * x.sum_stride + (first + b) * 16));
        const auto offsets = _mm256_madd_epi16(sums, w.min);
        if constexpr (facts.has_min)
          min_sum[n][b] = offsets;
        else
          z = _mm512_sub_epi32(z, _mm512_zextsi256_si512(offsets));
        sum[n][b] = z;
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

// ---- plain floats -----------------------------------------------------------------------------

template <encoding E>
static inline __m512 load_weights(const std::uint8_t* p, std::size_t i, __mmask16 mask) {
  constexpr auto& facts = block_traits<E>;
  if constexpr (facts.codes == code_layout::plain_f32) {
    return _mm512_maskz_loadu_ps(mask, p + i * 4);
  } else {
    const auto halves = _mm256_maskz_loadu_epi16(mask, p + i * 2);
    if constexpr (facts.codes == code_layout::plain_f16)
      return _mm512_cvtph_ps(halves);
    else
      return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
}

template <encoding E, int Inputs>
static void dot_float(const std::uint8_t* row, const activation_view& x, std::size_t input,
                      float* out, std::size_t out_stride) {
  __m512 acc[Inputs];
  for (int n = 0; n < Inputs; ++n)
    acc[n] = _mm512_setzero_ps();
  const auto* a = x.f32 + input * x.cols;
  const std::size_t whole = x.cols / 16 * 16;
  const auto step = [&](std::size_t i, __mmask16 mask) {
    const auto w = load_weights<E>(row, i, mask);
    for (int n = 0; n < Inputs; ++n)
      acc[n] = _mm512_fmadd_ps(w, _mm512_maskz_loadu_ps(mask, a + n * x.cols + i), acc[n]);
  };
  for (std::size_t i = 0; i < whole; i += 16)
    step(i, 0xffff);
  if (whole < x.cols)
    step(whole, static_cast<__mmask16>((1u << (x.cols - whole)) - 1));
  for (int n = 0; n < Inputs; ++n)
    out[n * out_stride] = simd16_avx512::reduce_add({acc[n]});
}

// ---- rows × inputs ----------------------------------------------------------------------------

template <encoding E, int Inputs>
static inline void dot(const std::uint8_t* row, const activation_view& x, std::size_t input,
                       float* out, std::size_t out_stride) {
  if constexpr (block_traits<E>.weights == 1)
    dot_float<E, Inputs>(row, x, input, out, out_stride);
  else
    dot_256<E, Inputs>(row, x, input, out, out_stride);
}

} // namespace larql::kernels::avx512
