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

#include <algorithm>

namespace larql::kernels::avx512 {

/// Rows of one panel: a lane each, or four for plain floats.
template <encoding E>
inline constexpr std::size_t panel_rows = quant::shape_of(E).weights == 1 ? 4 : lane_rows;
/// Rows that are multiplied together if there are so many.
template <encoding E>
inline constexpr std::size_t
    most_panel_rows = (quant::shape_of(E).weights == 256 ? 2 : 1) * panel_rows<E>;
/// All of a short loop, as straight code: its arrays are registers.
#define LARQL_UNROLL _Pragma("GCC unroll 8")

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

/// Panels and inputs of one step: with more, the sums would not fit the registers.
inline constexpr std::size_t step_panels = 2, step_inputs = 4;

/// Where the inputs of a block stand, and where their accumulators are.
struct block_inputs256 {
  const std::int8_t* q; // of the first input, as all below
  std::size_t cols;     // from one input's codes to the next's
  const std::int16_t* sums;
  std::size_t sum_stride;
  const float* scale;
  std::size_t scale_stride;
  __m512 (*acc)[step_panels][4];
  std::size_t lane; // of the accumulators: number of the block modulo 4
};

// Rows behind those of a step: their part of its block. Between the products, where there are few
// loads. Into the first-level cache: asked for the second only, some layouts of rows and stack came
// late from memory, and eight inputs took half as long again.
template <encoding E, std::size_t Rows>
[[gnu::always_inline]] static inline void prefetch_rows256(const std::uint8_t* base,
                                                           std::size_t stride) {
  for (std::size_t r = 0; r < Rows; ++r)
    for (std::size_t line = 0; line < traits256<E>::bytes; line += 64)
      _mm_prefetch(reinterpret_cast<const char*>(base) + r * stride + line, _MM_HINT_T0);
}

// One block of Panels panels and Inputs inputs: exact sums, then the float step. Each load of codes
// serves all inputs, each of inputs all panels. Two groups at a time, because two of Q4_K share a
// byte. Prefetches as many rows from `next` on. Not inlined, so that its registers are its own.
template <encoding E, int Panels, int Inputs, int Prefetch>
[[gnu::noinline]] static void block_step256(const panel256<E>* w, const block_inputs256& x,
                                            const std::uint8_t* next, std::size_t stride) {
  constexpr int pairs = panel256<E>::groups / 2;
  constexpr int dwords = 64 / panel256<E>::groups; // of a group
  const auto* q = x.q;
  const auto cols = x.cols;
  __m512i total[Inputs][Panels] = {}, offset[Inputs][Panels] = {};
#pragma GCC unroll 1
  for (int p = 0; p < pairs; ++p, q += 8 * dwords) {
    if constexpr (Prefetch > 0) {
      constexpr std::size_t rows = Prefetch / pairs;
      prefetch_rows256<E, rows>(next, stride);
      next += rows * stride;
    }
    __m512i first[Inputs][Panels] = {}, second[Inputs][Panels] = {};
    LARQL_UNROLL
    for (int k = 0; k < dwords; ++k) {
      code_pair code[Panels];
      LARQL_UNROLL
      for (int s = 0; s < Panels; ++s)
        code[s] = w[s].pair(p, k);
      LARQL_UNROLL
      for (int n = 0; n < Inputs; ++n) {
        const auto* at = q + n * cols + 4 * k;
        const auto a = broadcast_dword(at), b = broadcast_dword(at + 4 * dwords);
        LARQL_UNROLL
        for (int s = 0; s < Panels; ++s) {
          first[n][s] = _mm512_dpbusd_epi32(first[n][s], code[s].first, a);
          second[n][s] = _mm512_dpbusd_epi32(second[n][s], code[s].second, b);
        }
      }
    }
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n) {
      LARQL_UNROLL
      for (int s = 0; s < Panels; ++s) {
        const auto a = _mm512_mullo_epi32(first[n][s], w[s].scale[2 * p]);
        const auto b = _mm512_mullo_epi32(second[n][s], w[s].scale[2 * p + 1]);
        total[n][s] = _mm512_add_epi32(total[n][s], _mm512_add_epi32(a, b));
      }
    }
  }
  LARQL_UNROLL
  for (int g = 0; g < 8; ++g) {
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n) {
      const auto a = broadcast_dword(x.sums + n * x.sum_stride + 2 * g);
      LARQL_UNROLL
      for (int s = 0; s < Panels; ++s)
        offset[n][s] = _mm512_dpwssd_epi32(offset[n][s], w[s].offset[g], a);
    }
  }
  LARQL_UNROLL
  for (int n = 0; n < Inputs; ++n) {
    const auto scale = _mm512_set1_ps(x.scale[n * x.scale_stride]);
    LARQL_UNROLL
    for (int s = 0; s < Panels; ++s) {
      auto& lane = x.acc[n][s][x.lane];
      const auto d = _mm512_mul_ps(w[s].d, scale);
      if constexpr (traits256<E>::has_min) {
        lane = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(total[n][s]), lane);
        lane = _mm512_fnmadd_ps(_mm512_mul_ps(w[s].d_min, scale), _mm512_cvtepi32_ps(offset[n][s]),
                                lane);
      } else { // codes are offset by 32
        const auto exact = _mm512_sub_epi32(total[n][s], _mm512_slli_epi32(offset[n][s], 5));
        lane = _mm512_fmadd_ps(d, _mm512_cvtepi32_ps(exact), lane);
      }
    }
  }
}

template <encoding E, int Panels, int Prefetch>
static void step256(const panel256<E>* w, const block_inputs256& x, std::size_t inputs,
                    const std::uint8_t* next, std::size_t stride) {
  switch (inputs) {
  case 1: return block_step256<E, Panels, 1, Prefetch>(w, x, next, stride);
  case 2: return block_step256<E, Panels, 2, Prefetch>(w, x, next, stride);
  case 3: return block_step256<E, Panels, 3, Prefetch>(w, x, next, stride);
  default: return block_step256<E, Panels, 4, Prefetch>(w, x, next, stride);
  }
}

template <encoding E, int Panels>
static void panels_256(const std::uint8_t* base, std::size_t stride, const activation_view& x,
                       std::size_t input, std::size_t inputs, float* out, std::size_t out_stride) {
  const std::size_t blocks = x.cols / 256;
  __m512 acc[panel_inputs<E>][step_panels][4];
  for (std::size_t n = 0; n < inputs; ++n)
    for (auto& panel : acc[n])
      for (auto& lane : panel)
        lane = _mm512_setzero_ps();
  for (std::size_t b = 0; b < blocks; ++b) {
    panel256<E> w[Panels];
    const auto* at = base + b * traits256<E>::bytes;
    for (std::size_t s = 0; s < Panels; ++s)
      turn_block256<E>(at + s * lane_rows * stride, stride, w[s]);
    const auto* next = at + Panels * lane_rows * stride;
    for (std::size_t n = 0; n < inputs; n += step_inputs) {
      const auto i = input + n;
      const auto in = block_inputs256{x.q + i * x.cols + b * 256,
                                      x.cols,
                                      x.sums + i * x.sum_stride + b * 16,
                                      x.sum_stride,
                                      x.scale + i * x.scale_stride + b,
                                      x.scale_stride,
                                      acc + n,
                                      b % 4};
      const auto count = std::min(inputs - n, step_inputs);
      constexpr int rows = Panels * static_cast<int>(lane_rows);
      if (inputs <= step_inputs) {
        step256<E, Panels, rows>(w, in, count, next, stride);
      } else if (n <= step_inputs) { // the first two steps share the prefetching
        step256<E, Panels, rows / 2>(w, in, count, next, stride);
        next += rows / 2 * stride;
      } else {
        step256<E, Panels, 0>(w, in, count, next, stride);
      }
    }
  }
  for (std::size_t n = 0; n < inputs; ++n)
    for (std::size_t s = 0; s < Panels; ++s) {
      const auto* lane = acc[n][s];
      _mm512_storeu_ps(
          out + n * out_stride + s * lane_rows,
          _mm512_add_ps(_mm512_add_ps(lane[0], lane[2]), _mm512_add_ps(lane[1], lane[3])));
    }
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

/// `rows` rows, panel_rows or most_panel_rows, starting at `base` times `inputs` (at most
/// panel_inputs) inputs.
template <encoding E>
static inline void panel(const std::uint8_t* base, std::size_t stride, std::size_t rows,
                         const activation_view& x, std::size_t input, std::size_t inputs,
                         float* out, std::size_t out_stride) {
  if constexpr (quant::shape_of(E).weights == 32) {
    panel_32<E>(base, stride, x, input, inputs, out, out_stride);
  } else if constexpr (quant::shape_of(E).weights == 256) {
    if (rows == most_panel_rows<E>)
      panels_256<E, 2>(base, stride, x, input, inputs, out, out_stride);
    else
      panels_256<E, 1>(base, stride, x, input, inputs, out, out_stride);
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
