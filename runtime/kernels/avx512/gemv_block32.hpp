// Products of many weight rows with a few inputs, AVX-512, for blocks of 32. Included by
// matmul_*.cpp only.
//
// Four blocks at a time, one in each 128-bit lane of a register: the first halves of their codes in
// one register, the second halves in another. The inputs' codes are put in that order once for a
// task. The integer sums are exact, so the order inside a block is free.

#pragma once

#include "runtime/kernels/avx512/decode_block32.hpp"
#include "runtime/kernels/avx512/dot_block256.hpp"

#include <algorithm>

namespace larql::kernels::avx512 {

/// Room for the inputs of a task in their new order. Wider rows have no kernel here.
inline constexpr std::size_t gemv32_bytes = 64 << 10;
/// Inputs that share the codes taken apart; with more, the sums would not fit the registers.
inline constexpr std::size_t gemv32_inputs = 4;

/// Codes per input in the new order: whole fours of blocks.
constexpr std::size_t gemv32_width(std::size_t cols) {
  return (cols + 127) / 128 * 128;
}

// The first halves of four blocks, then the second ones; zeros for blocks that are not there.
static inline void order_halves(const std::int8_t* q, std::size_t cols, std::int8_t* out) {
  for (std::size_t i = 0; i < cols; i += 128, q += 128, out += 128) {
    const auto load = [&](std::size_t at) { // two blocks
      const auto rest = cols - std::min(cols, i + at);
      return _mm512_maskz_loadu_epi8(rest >= 64 ? ~__mmask64{0} : (__mmask64{1} << rest) - 1,
                                     q + at);
    };
    const auto a = load(0), b = load(64);
    _mm512_store_si512(out, _mm512_shuffle_i64x2(a, b, 0x88));
    _mm512_store_si512(out + 64, _mm512_shuffle_i64x2(a, b, 0xdd));
  }
}

// The first Width of `bytes` bytes at p; nothing behind them is read, zeros stand for it.
template <int Width, bool Whole>
static inline auto load_at_most(const std::uint8_t* p, std::ptrdiff_t bytes) {
  const auto mask = bytes >= Width ? ~std::uint64_t{0}
                    : bytes > 0    ? (std::uint64_t{1} << bytes) - 1
                                   : std::uint64_t{0};
  if constexpr (Width == 64)
    return Whole ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(mask, p);
  else
    return Whole ? _mm256_loadu_si256(as256(p))
                 : _mm256_maskz_loadu_epi8(static_cast<__mmask32>(mask), p);
}

// The half-precision numbers at byte Offset of eight blocks of `Bytes` bytes: all of them if Whole,
// else those of the first `count`, with zeros after them.
template <std::size_t Bytes, std::size_t Offset, bool Whole>
static inline __m128i eight_halves(const std::uint8_t* blocks, std::ptrdiff_t count) {
  constexpr auto step = static_cast<std::ptrdiff_t>(Bytes);
  constexpr auto words = static_cast<short>(Bytes / 2);
  const auto* p = blocks + Offset;
  const auto rest = [&](std::ptrdiff_t block) {
    return (count - block) * step - static_cast<std::ptrdiff_t>(Offset);
  };
  if constexpr (Bytes == 18) { // a register holds four of them
    const auto index = _mm512_castsi128_si512(_mm_setr_epi16(
        0, words, 2 * words, 3 * words, 32, 32 + words, 32 + 2 * words, 32 + 3 * words));
    return _mm512_castsi512_si128(
        _mm512_permutex2var_epi16(load_at_most<64, Whole>(p, rest(0)), index,
                                  load_at_most<64, Whole>(p + 4 * step, rest(4))));
  } else { // a register holds two, or half of one
    const auto two = [&](std::ptrdiff_t i) {
      if constexpr (Bytes <= 30)
        return _mm512_zextsi256_si512(load_at_most<32, Whole>(p + i * step, rest(i)));
      else
        return load_at_most<64, Whole>(p + i * step, rest(i));
    };
    const auto index = _mm512_castsi128_si512(_mm_setr_epi16(0, words, 32, 32 + words, 0, 0, 0, 0));
    const auto four = [&](std::ptrdiff_t i) {
      return _mm512_castsi512_si128(_mm512_permutex2var_epi16(two(i), index, two(i + 2)));
    };
    return _mm_unpacklo_epi64(four(0), four(4));
  }
}

// The bytes at Offset of sixteen blocks of `Bytes` bytes, four of which a register holds: all of
// them if Whole, else those of the first `count`, with zeros after them.
template <std::size_t Bytes, std::size_t Offset, bool Whole>
static inline __m512i sixteen_bytes(const std::uint8_t* blocks, std::ptrdiff_t count) {
  static_assert(3 * Bytes < 64);
  constexpr auto step = static_cast<std::ptrdiff_t>(Bytes);
  const auto four = [&](std::ptrdiff_t block) {
    const auto at = block * step + static_cast<std::ptrdiff_t>(Offset);
    return load_at_most<64, Whole>(blocks + at, count * step - at);
  };
  constexpr auto b = static_cast<char>(Bytes);
  const auto index = _mm512_castsi128_si512(_mm_setr_epi8(
      0, b, 2 * b, 3 * b, 64, 64 + b, 64 + 2 * b, 64 + 3 * b, 0, 0, 0, 0, 0, 0, 0, 0));
  const auto low = _mm512_permutex2var_epi8(four(0), index, four(4));
  const auto high = _mm512_permutex2var_epi8(four(8), index, four(12));
  return _mm512_cvtepu8_epi32(
      _mm_unpacklo_epi64(_mm512_castsi512_si128(low), _mm512_castsi512_si128(high)));
}

// Lane 4j + i of the result is the sum of 128-bit lane i of z[j].
static inline __m512i sum_blocks(const __m512i* z) {
  const auto order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, sum_lanes128(z[0], z[1], z[2], z[3]));
}

// Adds up to sixteen blocks, in Quads fours, to the accumulator lanes of each input. All of them
// are there if Whole, else `count`. `q` are the first input's codes in order, `stride` apart.
// Inlined, so that a constant count costs no branches.
template <encoding E, int Inputs, int Quads, bool Whole>
[[gnu::always_inline]] static inline void
add_blocks32(const std::uint8_t* p, std::size_t count, const std::int8_t* q, std::size_t stride,
             const activation_view& x, std::size_t input, std::size_t first, __m512* acc) {
  constexpr auto& facts = block_traits<E>;
  __m512i sum[Inputs][4] = {};
  LARQL_UNROLL
  for (int j = 0; j < Quads; ++j) {
    const auto codes = unpack_blocks32<E>(p + 4 * j * facts.bytes,
                                          Whole ? 4 : std::min<std::size_t>(count - 4 * j, 4));
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n) {
      const auto* at = q + n * stride + first * 32 + 128 * j;
      const auto half =
          _mm512_dpbusd_epi32(_mm512_setzero_si512(), codes.first, _mm512_load_si512(at));
      sum[n][j] = _mm512_dpbusd_epi32(half, codes.second, _mm512_load_si512(at + 64));
    }
  }
  const auto halves = [&]<std::size_t Offset>() {
    const auto rest = static_cast<std::ptrdiff_t>(count);
    const auto low = eight_halves<facts.bytes, Offset, Whole>(p, rest);
    const auto high = Quads > 2
                          ? eight_halves<facts.bytes, Offset, Whole>(p + 8 * facts.bytes, rest - 8)
                          : _mm_setzero_si128();
    return _mm512_cvtph_ps(_mm256_set_m128i(high, low));
  };
  const auto d = [&] {
    if constexpr (facts.d_is == quant::d_kind::exponent) {
      return exponents_to_floats(
          sixteen_bytes<facts.bytes, facts.d_at, Whole>(p, static_cast<std::ptrdiff_t>(count)));
    } else {
      return halves.template operator()<facts.d_at>();
    }
  }();
  auto min = _mm512_setzero_ps();
  if constexpr (facts.has_min)
    min = halves.template operator()<facts.min_at>();
  LARQL_UNROLL
  for (int n = 0; n < Inputs; ++n) { // behind the last block, scales and sums are zeros
    const auto i = input + static_cast<std::size_t>(n);
    const auto scale = _mm512_loadu_ps(x.scale + i * x.scale_stride + first);
    const auto sums =
        _mm512_cvtepi16_epi32(_mm256_loadu_si256(as256(x.sums + i * x.sum_stride + first)));
    auto total = sum_blocks(sum[n]);
    if constexpr (facts.offset != 0)
      total = _mm512_sub_epi32(total, _mm512_slli_epi32(sums, facts.offset_shift()));
    acc[n] = _mm512_fmadd_ps(_mm512_mul_ps(d, scale), _mm512_cvtepi32_ps(total), acc[n]);
    if constexpr (facts.has_min)
      acc[n] = _mm512_fmadd_ps(_mm512_mul_ps(min, scale), _mm512_cvtepi32_ps(sums), acc[n]);
  }
}

// Sums of sixteen lanes for four rows at once, in the order of simd16_avx512::reduce_add.
static inline __m128 reduce_four(const __m512* acc, std::size_t step) {
  __m128 sums[4];
  for (std::size_t i = 0; i < 4; ++i) {
    const auto z = acc[i * step];
    const auto half = _mm256_add_ps(_mm512_castps512_ps256(z), _mm512_extractf32x8_ps(z, 1));
    sums[i] = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  }
  const auto pairs = [](__m128 a, __m128 b) {
    return _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
  };
  const auto ab = pairs(sums[0], sums[1]), cd = pairs(sums[2], sums[3]);
  return _mm_add_ps(_mm_shuffle_ps(ab, cd, 0x88), _mm_shuffle_ps(ab, cd, 0xdd));
}

// The accumulator lanes of one row and Inputs inputs.
template <encoding E, int Inputs>
[[gnu::always_inline]] static inline void add_row32(const std::uint8_t* row, const std::int8_t* q,
                                                    std::size_t stride, const activation_view& x,
                                                    std::size_t input, __m512* acc) {
  constexpr auto bytes = block_traits<E>.bytes;
  const std::size_t blocks = x.cols / 32;
  std::size_t b = 0;
  for (; b + 16 <= blocks; b += 16) {
    prefetch<16 * bytes>(address(row, row_prefetch_bytes + b * bytes));
    add_blocks32<E, Inputs, 4, true>(row + b * bytes, 16, q, stride, x, input, b, acc);
  }
  const auto rest = blocks - b;
  if (rest != 0)
    prefetch<8 * bytes>(address(row, row_prefetch_bytes + b * bytes));
  const auto add = [&]<int Quads>(std::size_t count) __attribute__((always_inline)) {
    add_blocks32<E, Inputs, Quads, false>(row + b * bytes, count, q, stride, x, input, b, acc);
  };
  switch (rest) {
  case 0: break;
  case 2: add.template operator()<1>(2); break; // the ends of known models' rows as straight code
  case 6: add.template operator()<2>(6); break;
  default:
    switch ((rest + 3) / 4) {
    case 1: add.template operator()<1>(rest); break;
    case 2: add.template operator()<2>(rest); break;
    case 3: add.template operator()<3>(rest); break;
    default: add.template operator()<4>(rest); break;
    }
  }
}

// Not inlined, so that GCC assigns registers for this loop alone.
template <encoding E, int Inputs>
[[gnu::noinline]] static void gemv_rows32(const std::uint8_t* base, std::size_t row_stride,
                                          std::size_t rows, const std::int8_t* q,
                                          std::size_t stride, const activation_view& x,
                                          std::size_t input, float* out, std::size_t out_stride) {
  for (std::size_t first = 0; first < rows; first += 4) {
    const auto some = std::min<std::size_t>(rows - first, 4);
    __m512 acc[4][Inputs] = {};
    for (std::size_t r = 0; r < some; ++r) {
      const auto* row = base + (first + r) * row_stride;
      add_row32<E, Inputs>(row, q, stride, x, input, acc[r]);
    }
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n)
      _mm_mask_storeu_ps(out + n * out_stride + first, static_cast<__mmask8>((1u << some) - 1),
                         reduce_four(&acc[0][n], Inputs));
  }
}

/// out[n * out_stride + r] = row r · input `input + n`, for `rows` rows and `inputs` inputs.
/// @pre gemv32_width(x.cols) <= gemv32_bytes
template <encoding E>
static void gemv_block32(const std::uint8_t* base, std::size_t row_stride, std::size_t rows,
                         const activation_view& x, std::size_t input, std::size_t inputs,
                         float* out, std::size_t out_stride) {
  alignas(64) std::int8_t q[gemv32_bytes];
  const auto width = gemv32_width(x.cols);
  for (std::size_t n = 0; n < inputs;) {
    const auto count = std::min({inputs - n, gemv32_bytes / width, gemv32_inputs});
    const auto i = input + n;
    for (std::size_t k = 0; k < count; ++k)
      order_halves(x.q + (i + k) * x.cols, x.cols, q + k * width);
    const auto run = [&]<int Inputs>() {
      gemv_rows32<E, Inputs>(base, row_stride, rows, q, width, x, i, out + n * out_stride,
                             out_stride);
    };
    switch (count) {
    case 1: run.template operator()<1>(); break;
    case 2: run.template operator()<2>(); break;
    case 3: run.template operator()<3>(); break;
    default: run.template operator()<4>(); break;
    }
    n += count;
  }
}

/// Blocks of 256 whose groups of 32 come apart in two halves as well.
template <encoding E>
inline constexpr bool has_gemv_halves = block_traits<E>.codes == code_layout::nibbles_iq4_xs;

/// out[r] = row r · input `input`, for `rows` rows. @pre x.cols <= gemv32_bytes
template <encoding E>
static void gemv_halves(const std::uint8_t* base, std::size_t row_stride, std::size_t rows,
                        const activation_view& x, std::size_t input, float* out) {
  alignas(64) std::int8_t q[gemv32_bytes];
  order_halves(x.q + input * x.cols, x.cols, q);
  auto in = x;
  in.q = q;
  in.scale += input * x.scale_stride;
  in.sums += input * x.sum_stride;
  for (std::size_t r = 0; r < rows; ++r)
    dot_256<E, 1, true>(base + r * row_stride, in, 0, out + r, 0);
}

} // namespace larql::kernels::avx512
