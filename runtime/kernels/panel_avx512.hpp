// Products of sixteen weight rows with several inputs, AVX-512. Included by kernels_avx512.cpp
// only.
//
// For two and more inputs it pays to turn sixteen rows so that each 32-bit lane holds one row: the
// integer sums of a block then need no horizontal step, and one broadcast input serves all rows.
// The float operations per block keep the order of kernels_ref.cpp, with a register per accumulator
// lane.

#pragma once

#include "runtime/kernels/matmul_avx512.hpp"
#include "runtime/kernels/turn_avx512.hpp"

namespace larql::kernels::avx512 {

/// Rows of one panel: a lane each, or four for plain floats.
template <encoding E>
inline constexpr std::size_t panel_rows = quant::shape_of(E).weights == 1 ? 4 : 16;
/// Inputs that share one turned block: their accumulators stay in the first-level cache.
template <encoding E>
inline constexpr std::size_t panel_inputs = quant::shape_of(E).weights == 1    ? 4
                                            : quant::shape_of(E).weights == 32 ? 32
                                                                               : 64;

static inline __m512i broadcast_dword(const void* p) {
  std::int32_t x;
  std::memcpy(&x, p, 4);
  return _mm512_set1_epi32(x);
}

// ---- blocks of 256 ----------------------------------------------------------------------------

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
