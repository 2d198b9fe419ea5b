// Products of sixteen weight rows with several inputs, AVX-512. Included by kernels_avx512.cpp
// only.
//
// For two and more inputs it pays to turn sixteen rows so that each 32-bit lane holds one row: the
// integer sums of a block then need no horizontal step, and one broadcast input serves all rows.
// The float operations per block keep the order of kernels_ref.cpp, with a register per accumulator
// lane.

#pragma once

#include "runtime/kernels/matmul_avx512.hpp"

namespace larql::kernels::avx512 {

/// Rows of one panel: a lane each, or four for plain floats.
template <encoding E>
inline constexpr std::size_t panel_rows = quant::shape_of(E).weights == 1 ? 4 : 16;
/// Inputs that share one turned block: their accumulators stay in the first-level cache.
template <encoding E>
inline constexpr std::size_t panel_inputs = quant::shape_of(E).weights == 1    ? 4
                                            : quant::shape_of(E).weights == 32 ? 32
                                                                               : 64;
inline constexpr std::size_t lane_rows = 16;

// out[k] lane r = dword k of in[r].
static inline void transpose_dwords(const __m512i* in, __m512i* out) {
  __m512i a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32(in[i], in[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32(in[i], in[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  // b[4g + m]: quarter L holds dword 4L + m of rows 4g..4g+3.
  for (int m = 0; m < 4; ++m) {
    const auto low = _mm512_shuffle_i32x4(b[m], b[4 + m], 0x44);       // quarters 0 1 of rows 0-7
    const auto high = _mm512_shuffle_i32x4(b[m], b[4 + m], 0xee);      // quarters 2 3
    const auto low2 = _mm512_shuffle_i32x4(b[8 + m], b[12 + m], 0x44); // of rows 8-15
    const auto high2 = _mm512_shuffle_i32x4(b[8 + m], b[12 + m], 0xee);
    out[m] = _mm512_shuffle_i32x4(low, low2, 0x88);
    out[4 + m] = _mm512_shuffle_i32x4(low, low2, 0xdd);
    out[8 + m] = _mm512_shuffle_i32x4(high, high2, 0x88);
    out[12 + m] = _mm512_shuffle_i32x4(high, high2, 0xdd);
  }
}

static inline __m512i broadcast_dword(const void* p) {
  std::int32_t x;
  std::memcpy(&x, p, 4);
  return _mm512_set1_epi32(x);
}

// ---- blocks of 256 ----------------------------------------------------------------------------

/// One block of sixteen rows, turned: lanes are rows.
struct panel256 {
  __m512i code[64];  ///< code[k]: weights 4k..4k+3
  __m512i scale[16]; ///< of each group of 16 (Q6_K) or 32 (Q4_K, Q5_K; eight of them)
  __m512i min[8];    ///< two equal 16-bit minima per lane; Q4_K and Q5_K
  __m512 d;
  __m512 d_min;
};

// Sixteen bytes of each of sixteen rows, turned: byte j of row r goes to lane r of out[j].
static inline void turn_signed_bytes(const std::uint8_t (*rows)[16], __m512i* out) {
  const auto within = _mm512_set_epi8(63, 47, 31, 15, 62, 46, 30, 14, 61, 45, 29, 13, 60, 44, 28,
                                      12, 59, 43, 27, 11, 58, 42, 26, 10, 57, 41, 25, 9, 56, 40, 24,
                                      8, 55, 39, 23, 7, 54, 38, 22, 6, 53, 37, 21, 5, 52, 36, 20, 4,
                                      51, 35, 19, 3, 50, 34, 18, 2, 49, 33, 17, 1, 48, 32, 16, 0);
  __m512i z[4]; // z[g] dword j: byte j of rows 4g..4g+3
  for (int g = 0; g < 4; ++g)
    z[g] = _mm512_permutexvar_epi8(within, _mm512_loadu_si512(rows[4 * g]));
  const auto ab = _mm512_unpacklo_epi32(z[0], z[1]), ab2 = _mm512_unpackhi_epi32(z[0], z[1]);
  const auto cd = _mm512_unpacklo_epi32(z[2], z[3]), cd2 = _mm512_unpackhi_epi32(z[2], z[3]);
  // quarter L of part[m]: byte 4L + m of all sixteen rows
  const __m512i part[4] = {_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd),
                           _mm512_unpacklo_epi64(ab2, cd2), _mm512_unpackhi_epi64(ab2, cd2)};
  alignas(64) std::uint8_t bytes[4][64];
  for (int m = 0; m < 4; ++m)
    _mm512_store_si512(bytes[m], part[m]);
  for (int j = 0; j < 16; ++j)
    out[j] = _mm512_cvtepi8_epi32(_mm_load_si128(as128(bytes[j % 4] + 16 * (j / 4))));
}

// Q4_K and Q5_K begin with d, d_min and the twelve bytes of k_scale_bytes(): four dwords, which are
// taken apart for all rows at once.
static inline void turn_k_header(const std::uint8_t* base, std::size_t stride, panel256& out) {
  const auto header = [&](std::size_t r) { return _mm_loadu_si128(as128(base + r * stride)); };
  __m512i z[4]; // quarter L of z[g]: the header of row 4L + g
  for (std::size_t g = 0; g < 4; ++g) {
    z[g] = _mm512_castsi128_si512(header(g));
    z[g] = _mm512_mask_broadcast_i32x4(z[g], 0x00f0, header(4 + g));
    z[g] = _mm512_mask_broadcast_i32x4(z[g], 0x0f00, header(8 + g));
    z[g] = _mm512_mask_broadcast_i32x4(z[g], 0xf000, header(12 + g));
  }
  const auto ab = _mm512_unpacklo_epi32(z[0], z[1]), ab2 = _mm512_unpackhi_epi32(z[0], z[1]);
  const auto cd = _mm512_unpacklo_epi32(z[2], z[3]), cd2 = _mm512_unpackhi_epi32(z[2], z[3]);
  const auto both = _mm512_unpacklo_epi64(ab, cd); // lanes are rows from here on
  const auto a = _mm512_unpackhi_epi64(ab, cd);
  const auto b = _mm512_unpacklo_epi64(ab2, cd2);
  const auto c = _mm512_unpackhi_epi64(ab2, cd2);
  out.d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(both));
  out.d_min = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(both, 16)));
  const auto six = _mm512_set1_epi8(0x3f), four = _mm512_set1_epi8(0x0f),
             high_two = _mm512_set1_epi8(0x30);
  const auto join = [&](__m512i low, __m512i high) {
    return _mm512_or_si512(_mm512_and_si512(low, four),
                           _mm512_and_si512(_mm512_srli_epi32(high, 2), high_two));
  };
  const __m512i scales[2] = {_mm512_and_si512(a, six), join(c, a)};
  const __m512i mins[2] = {_mm512_and_si512(b, six), join(_mm512_srli_epi32(c, 4), b)};
  const auto dwords = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 4, 8, 12));
  for (int j = 0; j < 8; ++j) {
    // Byte j % 4 of each dword, alone, or in both 16-bit halves; 0x80 gives a zero.
    const auto byte = _mm512_add_epi32(dwords, _mm512_set1_epi32(j % 4));
    const auto once = _mm512_or_si512(byte, _mm512_set1_epi32(static_cast<int>(0x80808000u)));
    const auto twice = _mm512_or_si512(_mm512_or_si512(byte, _mm512_slli_epi32(byte, 16)),
                                       _mm512_set1_epi32(static_cast<int>(0x80008000u)));
    out.scale[j] = _mm512_shuffle_epi8(scales[j / 4], once);
    out.min[j] = _mm512_shuffle_epi8(mins[j / 4], twice);
  }
}

// Q6_K: a scale for each group of 16 at byte 192, d behind them.
static inline void turn_q6_scales(const std::uint8_t* base, std::size_t stride, panel256& out) {
  alignas(64) std::uint8_t scales[16][16];
  alignas(64) std::uint32_t bits[16];
  for (std::size_t r = 0; r < lane_rows; ++r) {
    const auto* p = base + r * stride;
    _mm_store_si128(reinterpret_cast<__m128i*>(scales[r]),
                    traits256<encoding::q6_k>::scale_bytes(p));
    bits[r] = traits256<encoding::q6_k>::d_bits(p);
  }
  out.d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_load_si512(bits)));
  turn_signed_bytes(scales, out.scale);
}

// Turned while two nibbles still share a byte: half the shuffles.
static inline void turn_q4_codes(const std::uint8_t* base, std::size_t stride, panel256& out) {
  const auto four = _mm512_set1_epi8(0x0f);
  for (int half = 0; half < 2; ++half) {
    __m512i rows[16], turned[16];
    for (std::size_t r = 0; r < lane_rows; ++r)
      rows[r] = _mm512_loadu_si512(base + r * stride + 16 + 64 * half);
    transpose_dwords(rows, turned);
    for (int k = 0; k < 16; ++k) { // 32 bytes hold 64 weights, the first half of them low
      auto* code = out.code + 32 * half + k / 8 * 16 + k % 8;
      code[0] = _mm512_and_si512(turned[k], four);
      code[8] = _mm512_and_si512(_mm512_srli_epi32(turned[k], 4), four);
    }
  }
}

template <encoding E>
static inline void turn_codes(const std::uint8_t* base, std::size_t stride, panel256& out) {
  __m512i rows[4][16];
  for (std::size_t r = 0; r < lane_rows; ++r) {
    __m512i code[4];
    traits256<E>::unpack_codes(base + r * stride, code);
    for (int g = 0; g < 4; ++g)
      rows[g][r] = code[g];
  }
  for (int g = 0; g < 4; ++g)
    transpose_dwords(rows[g], out.code + 16 * g);
}

template <encoding E>
static inline void turn_block256(const std::uint8_t* base, std::size_t stride, panel256& out) {
  if constexpr (traits256<E>::has_min)
    turn_k_header(base, stride, out);
  else
    turn_q6_scales(base, stride, out);
  if constexpr (E == encoding::q4_k)
    turn_q4_codes(base, stride, out);
  else
    turn_codes<E>(base, stride, out);
}

// Rows of the next sixteen: their part of this block, into the second-level cache.
template <encoding E, int Rows>
[[gnu::always_inline]] static inline void prefetch_rows256(const std::uint8_t* base,
                                                           std::size_t stride, std::size_t first) {
  for (std::size_t r = 0; r < Rows; ++r)
    for (std::size_t line = 0; line < traits256<E>::bytes; line += 64)
      _mm_prefetch(reinterpret_cast<const char*>(base) + (lane_rows + first + r) * stride + line,
                   _MM_HINT_T1);
}

// One block of Inputs inputs: exact sums, then the float step. Several inputs share each load of
// codes.
template <encoding E, int Inputs, bool Prefetch>
static inline void block_step256(const std::uint8_t* base, std::size_t stride, const panel256& w,
                                 const activation_view& x, std::size_t input, std::size_t block,
                                 __m512 (*acc)[4]) {
  const auto* q = x.q + input * x.cols + block * 256;
  const auto* sums = x.sums + input * x.sum_stride + block * 16;
  __m512i total[Inputs], mins[Inputs];
  for (int n = 0; n < Inputs; ++n)
    total[n] = mins[n] = _mm512_setzero_si512();
  constexpr auto has_min = traits256<E>::has_min;
  constexpr int groups = has_min ? 8 : 16; // that share a scale
  constexpr int dwords = 64 / groups;
  for (int g = 0; g < groups; ++g) {
    if constexpr (Prefetch)
      prefetch_rows256<E, 16 / groups>(base, stride, static_cast<std::size_t>(16 / groups * g));
    __m512i dot[Inputs];
    for (int n = 0; n < Inputs; ++n) // without minima, codes are offset by 32
      dot[n] =
          has_min ? _mm512_setzero_si512() : _mm512_set1_epi32(-32 * sums[n * x.sum_stride + g]);
    for (int k = 0; k < dwords; ++k) {
      const auto code = w.code[dwords * g + k];
      for (int n = 0; n < Inputs; ++n)
        dot[n] = _mm512_dpbusd_epi32(dot[n], code,
                                     broadcast_dword(q + n * x.cols + 4 * (dwords * g + k)));
    }
    for (int n = 0; n < Inputs; ++n) {
      total[n] = _mm512_add_epi32(total[n], _mm512_mullo_epi32(dot[n], w.scale[g]));
      if constexpr (has_min)
        mins[n] = _mm512_dpwssd_epi32(mins[n], w.min[g],
                                      broadcast_dword(sums + n * x.sum_stride + 2 * g));
    }
  }
  for (int n = 0; n < Inputs; ++n) {
    const auto scale = _mm512_set1_ps(x.scale[(input + n) * x.scale_stride + block]);
    auto& lane = acc[n][block % 4];
    lane = _mm512_fmadd_ps(_mm512_mul_ps(w.d, scale), _mm512_cvtepi32_ps(total[n]), lane);
    if constexpr (has_min)
      lane = _mm512_fnmadd_ps(_mm512_mul_ps(w.d_min, scale), _mm512_cvtepi32_ps(mins[n]), lane);
  }
}

// For fewer than four inputs. Not inlined: where there are more, it would cost them registers.
template <encoding E>
[[gnu::noinline]] static std::size_t first_step256(const std::uint8_t* base, std::size_t stride,
                                                   const panel256& w, const activation_view& x,
                                                   std::size_t input, std::size_t inputs,
                                                   std::size_t block, __m512 (*acc)[4]) {
  if (inputs == 1) {
    block_step256<E, 1, true>(base, stride, w, x, input, block, acc);
    return 1;
  }
  block_step256<E, 2, true>(base, stride, w, x, input, block, acc);
  return 2;
}

template <encoding E>
static void panel_256(const std::uint8_t* base, std::size_t stride, const activation_view& x,
                      std::size_t input, std::size_t inputs, float* out, std::size_t out_stride) {
  const std::size_t blocks = x.cols / 256;
  __m512 acc[panel_inputs<E>][4];
  for (std::size_t n = 0; n < inputs; ++n)
    for (auto& lane : acc[n])
      lane = _mm512_setzero_ps();
  for (std::size_t b = 0; b < blocks; ++b) {
    panel256 w;
    const auto* at = base + b * traits256<E>::bytes;
    turn_block256<E>(at, stride, w);
    std::size_t n = 0;
    if (inputs >= 4) {
      block_step256<E, 4, true>(at, stride, w, x, input, b, acc);
      n = 4;
    } else {
      n = first_step256<E>(at, stride, w, x, input, inputs, b, acc);
    }
    for (; n + 4 <= inputs; n += 4)
      block_step256<E, 4, false>(at, stride, w, x, input + n, b, acc + n);
    for (; n + 2 <= inputs; n += 2)
      block_step256<E, 2, false>(at, stride, w, x, input + n, b, acc + n);
    for (; n < inputs; ++n)
      block_step256<E, 1, false>(at, stride, w, x, input + n, b, acc + n);
  }
  for (std::size_t n = 0; n < inputs; ++n)
    _mm512_storeu_ps(out + n * out_stride, _mm512_add_ps(_mm512_add_ps(acc[n][0], acc[n][2]),
                                                         _mm512_add_ps(acc[n][1], acc[n][3])));
}

// ---- blocks of 32 -----------------------------------------------------------------------------

// The half-precision numbers at the start of one block of sixteen rows.
static inline __m512 row_halves(const std::uint8_t* base, std::size_t stride) {
  alignas(64) std::uint32_t bits[16];
  for (std::size_t r = 0; r < lane_rows; ++r) {
    std::uint16_t h;
    std::memcpy(&h, base + r * stride, 2);
    bits[r] = h;
  }
  return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_load_si512(bits)));
}

/// Scales of one block of sixteen rows.
struct scales32 {
  __m512 d;
  __m512 min; // Q5_1 only
};

// One block of Inputs inputs; code[k] holds weights 4k..4k+3 of sixteen rows.
template <encoding E, int Inputs>
static inline void block_step32(const __m512i* code, const scales32& w, const activation_view& x,
                                std::size_t input, std::size_t block, __m512 (*acc)[16]) {
  using traits = traits32<E>;
  const auto* q = x.q + input * x.cols + block * 32;
  const auto* sums = x.sums + input * x.sum_stride + block;
  __m512i total[Inputs];
  for (int n = 0; n < Inputs; ++n)
    total[n] = traits::offset_shift >= 0
                   ? _mm512_set1_epi32(-(sums[n * x.sum_stride] << (traits::offset_shift & 31)))
                   : _mm512_setzero_si512();
  for (int k = 0; k < 8; ++k)
    for (int n = 0; n < Inputs; ++n)
      total[n] = _mm512_dpbusd_epi32(total[n], code[k], broadcast_dword(q + n * x.cols + 4 * k));
  for (int n = 0; n < Inputs; ++n) {
    const auto scale = _mm512_set1_ps(x.scale[(input + n) * x.scale_stride + block]);
    auto& lane = acc[n][block % 16];
    lane = _mm512_fmadd_ps(_mm512_mul_ps(w.d, scale), _mm512_cvtepi32_ps(total[n]), lane);
    if constexpr (traits::has_min)
      lane = _mm512_fmadd_ps(_mm512_mul_ps(w.min, scale),
                             _mm512_set1_ps(static_cast<float>(sums[n * x.sum_stride])), lane);
  }
}

template <encoding E>
static void panel_32(const std::uint8_t* base, std::size_t stride, const activation_view& x,
                     std::size_t input, std::size_t inputs, float* out, std::size_t out_stride) {
  using traits = traits32<E>;
  const std::size_t blocks = x.cols / 32;
  __m512 acc[panel_inputs<E>][16];
  for (std::size_t n = 0; n < inputs; ++n)
    for (auto& lane : acc[n])
      lane = _mm512_setzero_ps();
  for (std::size_t b = 0; b < blocks; b += 2) {
    const auto whole = b + 1 < blocks;
    const auto* p = base + b * traits::bytes;
    __m512i rows[16], code[16]; // eight dwords of the first block, then of the second
    for (std::size_t r = 0; r < lane_rows; ++r) {
      const auto* a = p + r * stride;
      _mm_prefetch(reinterpret_cast<const char*>(a) + lane_rows * stride, _MM_HINT_T1);
      rows[r] = traits::unpack(a, whole ? a + traits::bytes : nullptr);
    }
    transpose_dwords(rows, code);
    for (std::size_t half = 0; half < (whole ? 2u : 1u); ++half) {
      const auto* at_half = p + half * traits::bytes;
      const auto w =
          scales32{row_halves(at_half, stride),
                   traits::has_min ? row_halves(at_half + 2, stride) : _mm512_setzero_ps()};
      std::size_t n = 0;
      for (; n + 4 <= inputs; n += 4)
        block_step32<E, 4>(code + 8 * half, w, x, input + n, b + half, acc + n);
      for (; n < inputs; ++n)
        block_step32<E, 1>(code + 8 * half, w, x, input + n, b + half, acc + n);
    }
  }
  for (std::size_t n = 0; n < inputs; ++n) {
    for (int half = 8; half > 0; half /= 2)
      for (int l = 0; l < half; ++l)
        acc[n][l] = _mm512_add_ps(acc[n][l], acc[n][l + half]);
    _mm512_storeu_ps(out + n * out_stride, acc[n][0]);
  }
}

// ---- plain floats -----------------------------------------------------------------------------

// Four rows and up to four inputs in registers, so that each load serves several products.
template <encoding E, int Inputs>
static void panel_float(const std::uint8_t* base, std::size_t stride, const activation_view& x,
                        std::size_t input, float* out, std::size_t out_stride) {
  constexpr int rows = static_cast<int>(panel_rows<E>);
  __m512 acc[rows][Inputs];
  for (auto& row : acc)
    for (auto& lane : row)
      lane = _mm512_setzero_ps();
  const auto* a = x.f32 + input * x.cols;
  const auto step = [&](std::size_t i, __mmask16 mask) {
    __m512 in[Inputs];
    for (int n = 0; n < Inputs; ++n)
      in[n] = _mm512_maskz_loadu_ps(mask, a + n * x.cols + i);
    for (int r = 0; r < rows; ++r) {
      const auto w = load_weights<E>(base + r * stride, i, mask);
      for (int n = 0; n < Inputs; ++n)
        acc[r][n] = _mm512_fmadd_ps(w, in[n], acc[r][n]);
    }
  };
  const std::size_t whole = x.cols / 16 * 16;
  for (std::size_t i = 0; i < whole; i += 16)
    step(i, 0xffff);
  if (whole < x.cols)
    step(whole, static_cast<__mmask16>((1u << (x.cols - whole)) - 1));
  for (int r = 0; r < rows; ++r)
    for (int n = 0; n < Inputs; ++n)
      out[n * out_stride + r] = lanes_avx512::reduce_add({acc[r][n]});
}

/// panel_rows rows starting at `base` times `inputs` (at most panel_inputs) inputs.
template <encoding E>
static inline void panel(const std::uint8_t* base, std::size_t stride, const activation_view& x,
                         std::size_t input, std::size_t inputs, float* out,
                         std::size_t out_stride) {
  if constexpr (quant::shape_of(E).weights == 32) {
    panel_32<E>(base, stride, x, input, inputs, out, out_stride);
  } else if constexpr (quant::shape_of(E).weights == 256) {
    panel_256<E>(base, stride, x, input, inputs, out, out_stride);
  } else {
    switch (inputs) {
    case 4: return panel_float<E, 4>(base, stride, x, input, out, out_stride);
    case 3: return panel_float<E, 3>(base, stride, x, input, out, out_stride);
    case 2: return panel_float<E, 2>(base, stride, x, input, out, out_stride);
    default: return panel_float<E, 1>(base, stride, x, input, out, out_stride);
    }
  }
}

} // namespace larql::kernels::avx512
