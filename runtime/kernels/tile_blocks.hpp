// Products of a tile of weight rows with several inputs, for blocks of 256 and of 32. Written once
// for all instruction sets, like row_ops.hpp: V is as in tile_transpose.hpp.
//
// Numerics  The integer sums of a block are exact; the float operations per block keep the order of
//           ref/kernels.cpp, with a register per accumulator lane.

#pragma once

#include "runtime/kernels/activations.hpp"
#include "runtime/kernels/block_inputs.hpp"
#include "runtime/kernels/tile_transpose.hpp"

#include <cstring>
#include <type_traits>

namespace larql::kernels {

/// Weights to ask for while others are multiplied: between the products there are few loads.
struct prefetch_run {
  std::uintptr_t at;
  std::size_t lines; ///< in each step

  void step() {
    for (std::size_t i = 0; i < lines; ++i, at += 64)
      __builtin_prefetch(reinterpret_cast<const void*>(at));
  }
};

/// Rows of a tile, inputs of a call.
template <class V>
inline constexpr std::size_t tile_rows = V::rows* V::tiles;
template <quant::encoding E>
inline constexpr std::size_t tile_inputs = quant::block_traits<E>.weights == 32 ? 32 : 64;

// Adds scale times the products of Dwords dwords of codes to each total. `code` gives dword k of
// tile s; sums of products are kept in V's narrow form as long as they fit. Rolled: a loop over
// dwords, where GCC 12 would spill the sums of straight code.
template <class V, int Inputs, int Dwords, int MaxCode, bool Rolled, class Code, class Finish>
[[gnu::always_inline]] static inline void add_products(const std::int8_t* q, std::size_t cols,
                                                       const Code& code, const Finish& finish) {
  constexpr int together = std::min(Dwords, V::dwords_in_sum(MaxCode));
  static_assert(Dwords % together == 0);
  LARQL_UNROLL
  for (int first = 0; first < Dwords; first += together) {
    typename V::ints sum[Inputs][V::tiles];
    const auto add = [&](int k, auto is_first) __attribute__((always_inline)) {
      typename V::ints c[V::tiles];
      LARQL_UNROLL
      for (int s = 0; s < V::tiles; ++s)
        c[s] = code(s, k);
      LARQL_UNROLL
      for (int n = 0; n < Inputs; ++n) {
        const auto a = V::splat_dword(q + n * cols + 4 * k);
        LARQL_UNROLL
        for (int s = 0; s < V::tiles; ++s)
          sum[n][s] = is_first ? V::products(c[s], a) : V::add_products(sum[n][s], c[s], a);
      }
    };
    add(first, std::true_type{});
    if constexpr (Rolled) {
#pragma GCC unroll 1
      for (int k = first + 1; k < first + together; ++k)
        add(k, std::false_type{});
    } else {
      LARQL_UNROLL
      for (int k = first + 1; k < first + together; ++k)
        add(k, std::false_type{});
    }
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n) {
      LARQL_UNROLL
      for (int s = 0; s < V::tiles; ++s)
        finish(n, s, sum[n][s]);
    }
  }
}

// One block of a tile and Inputs inputs: exact sums, then the float step. Each load of codes serves
// all inputs, each of inputs all rows. Not inlined, so that GCC assigns registers for this loop
// alone.
template <class V, quant::encoding E, int Inputs>
[[gnu::noinline]] static void block_step256(const transposed256<V, E>* w, const block_inputs& x,
                                            typename V::floats (*acc)[V::tiles],
                                            prefetch_run next) {
  using block = transposed256<V, E>;
  constexpr auto& facts = quant::block_traits<E>;
  const auto* q = x.q;
  const auto cols = x.cols;
  typename V::ints total[Inputs][V::tiles] = {}, offset[Inputs][V::tiles] = {};
#pragma GCC unroll 1
  for (int p = 0; p < block::groups / 2; ++p) {
    next.step();
    LARQL_UNROLL
    for (int half = 0; half < 2; ++half, q += 4 * block::dwords)
      add_products<V, Inputs, block::dwords, facts.max_code, false>(
          q, cols, [&](int s, int k) { return code_of(w[s], p, half, k); },
          [&](int n, int s, typename V::ints sum) {
            total[n][s] = V::add_scaled(total[n][s], sum, w[s].scale[2 * p + half]);
          });
  }
  LARQL_UNROLL
  for (int g = 0; g < 8; ++g) {
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n) {
      const auto a = V::splat_dword(x.sums + n * x.sum_stride + 2 * g);
      LARQL_UNROLL
      for (int s = 0; s < V::tiles; ++s)
        offset[n][s] = V::add_products16(offset[n][s], w[s].offset[g], a);
    }
  }
  LARQL_UNROLL
  for (int n = 0; n < Inputs; ++n) {
    const auto scale = V::splat_float(x.scale[n * x.scale_stride]);
    LARQL_UNROLL
    for (int s = 0; s < V::tiles; ++s) {
      auto& lane = acc[n][s];
      const auto d = V::mul(w[s].d, scale);
      if constexpr (facts.has_min) {
        lane = V::fma(d, V::to_floats(total[n][s]), lane);
        lane = V::fnma(V::mul(w[s].d_min, scale), V::to_floats(offset[n][s]), lane);
      } else {
        const auto exact = V::sub(total[n][s], V::shift_left(offset[n][s], facts.offset_shift()));
        lane = V::fma(d, V::to_floats(exact), lane);
      }
    }
  }
}

// `count` blocks of a tile and Inputs inputs; the accumulators of each block are
// tile_inputs behind those of the one before.
template <class V, quant::encoding E, int Inputs>
[[gnu::noinline]] static void block_step32(const transposed32<V, E>* w, const block_inputs& x,
                                           typename V::floats (*acc)[V::tiles], std::size_t count,
                                           prefetch_run next) {
  using block = transposed32<V, E>;
  constexpr auto& facts = quant::block_traits<E>;
  const auto* q = x.q;
  const auto cols = x.cols;
  for (std::size_t b = 0; b < count; ++b, q += 32, acc += tile_inputs<E>) {
    next.step();
    typename V::ints total[Inputs][V::tiles];
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n) {
      const auto start = V::splat(-(x.sums[n * x.sum_stride + b] * facts.offset));
      LARQL_UNROLL
      for (int s = 0; s < V::tiles; ++s)
        total[n][s] = start;
    }
#pragma GCC unroll 1
    for (int plane = 0; plane < block::planes; ++plane)
      add_products<V, Inputs, 8, block::max_code, (block::planes > 1)>(
          q, cols, [&](int s, int k) { return w[s].code[b][plane][k]; },
          [&](int n, int s, typename V::ints sum) {
            total[n][s] = V::add_plane(total[n][s], sum, plane);
          });
    LARQL_UNROLL
    for (int n = 0; n < Inputs; ++n) {
      const auto scale = V::splat_float(x.scale[n * x.scale_stride + b]);
      LARQL_UNROLL
      for (int s = 0; s < V::tiles; ++s) {
        auto& lane = acc[n][s];
        lane = V::fma(V::mul(w[s].d[b], scale), V::to_floats(total[n][s]), lane);
        if constexpr (facts.has_min)
          lane = V::fma(V::mul(w[s].min[b], scale),
                        V::splat_float(static_cast<float>(x.sums[n * x.sum_stride + b])), lane);
      }
    }
  }
}

// Calls f<Inputs>() with the number of inputs.
template <int Most, class F>
static inline void with_inputs(std::size_t inputs, const F& f) {
  if constexpr (Most > 1) {
    if (inputs < Most)
      return with_inputs<Most - 1>(inputs, f);
  }
  f.template operator()<Most>();
}

// Rows of a tile that is not whole, blocks of which are copied to where a whole one's may stand.
template <class V, std::size_t Bytes>
struct block_rows {
  const std::uint8_t* base;
  std::size_t stride;
  std::size_t rows;
  alignas(64) std::uint8_t copy[tile_rows<V>][Bytes];

  block_rows(const std::uint8_t* b, std::size_t s, std::size_t r) : base(b), stride(s), rows(r) {
    if (rows < tile_rows<V>)
      std::memset(copy, 0, sizeof copy);
  }
  struct place {
    const std::uint8_t* base;
    std::size_t stride;
  };
  place at(std::size_t offset, std::size_t bytes) {
    if (rows == tile_rows<V>)
      return {base + offset, stride};
    for (std::size_t r = 0; r < rows; ++r)
      std::memcpy(copy[r], base + r * stride + offset, bytes);
    return {copy[0], Bytes};
  }
};

// The sums of one input, of which the first `rows` exist.
template <class V>
static inline void store_rows(float* out, std::size_t rows, const typename V::floats* sums) {
  float all[tile_rows<V>];
  auto* to = rows == tile_rows<V> ? out : all;
  for (std::size_t s = 0; s < V::tiles; ++s)
    V::store(to + s * V::rows, sums[s]);
  if (to == all)
    std::memcpy(out, all, rows * sizeof(float));
}

/// out[n * out_stride + r] = row r · input `input + n`, for at most tile_rows rows and tile_inputs
/// inputs.
template <class V, quant::encoding E>
static void tile_256(const std::uint8_t* base, std::size_t stride, std::size_t rows,
                     const activation_view& x, std::size_t input, std::size_t inputs, float* out,
                     std::size_t out_stride) {
  constexpr auto& facts = quant::block_traits<E>;
  constexpr auto reorder = facts.codes == quant::code_layout::linear_six;
  const std::size_t blocks = x.cols / 256;
  typename V::floats acc[4][tile_inputs<E>][V::tiles];
  for (auto& lane : acc)
    for (std::size_t n = 0; n < inputs; ++n)
      for (auto& tile : lane[n])
        tile = V::splat_float(0);
  alignas(64) std::int8_t ordered[reorder ? tile_inputs<E> : 1][256];
  auto some = block_rows<V, facts.bytes>{base, stride, rows};
  for (std::size_t b = 0; b < blocks; ++b) {
    transposed256<V, E> w[V::tiles];
    const auto at = some.at(b * facts.bytes, facts.bytes);
    for (std::size_t s = 0; s < V::tiles; ++s)
      transpose_block256<V, E>(at.base + s * V::rows * at.stride, at.stride, w[s]);
    if constexpr (reorder)
      for (std::size_t n = 0; n < inputs; ++n)
        for (std::size_t i = 0; i < 256; i += V::bytes)
          V::order_inputs(x.q + (input + n) * x.cols + b * 256 + i, ordered[n] + i);
    // Of the rows behind these, as many bytes as this block has here, in the order of memory.
    constexpr auto bytes = tile_rows<V> * facts.bytes;
    constexpr std::size_t lines = (bytes + 63) / 64, pairs = facts.groups / 2;
    const auto first = reinterpret_cast<std::uintptr_t>(base) + tile_rows<V> * stride + b * bytes;
    for (std::size_t n = 0; n < inputs; n += V::inputs) {
      const auto i = input + n;
      const auto in = block_inputs{reorder ? ordered[n] : x.q + i * x.cols + b * 256,
                                   reorder ? 256 : x.cols,
                                   x.sums + i * x.sum_stride + b * 16,
                                   x.sum_stride,
                                   x.scale + i * x.scale_stride + b,
                                   x.scale_stride};
      const auto next = prefetch_run{first, n == 0 ? (lines + pairs - 1) / pairs : 0};
      with_inputs<V::inputs>(inputs - n, [&]<int Inputs>() {
        block_step256<V, E, Inputs>(w, in, acc[b % 4] + n, next);
      });
    }
  }
  for (std::size_t n = 0; n < inputs; ++n) {
    for (std::size_t s = 0; s < V::tiles; ++s)
      acc[0][n][s] = V::add(V::add(acc[0][n][s], acc[2][n][s]), V::add(acc[1][n][s], acc[3][n][s]));
    store_rows<V>(out + n * out_stride, rows, acc[0][n]);
  }
}

template <class V, quant::encoding E>
static void tile_32(const std::uint8_t* base, std::size_t stride, std::size_t rows,
                    const activation_view& x, std::size_t input, std::size_t inputs, float* out,
                    std::size_t out_stride) {
  constexpr auto& facts = quant::block_traits<E>;
  const std::size_t blocks = x.cols / 32;
  typename V::floats acc[16][tile_inputs<E>][V::tiles]; // those of a step are neighbours
  for (auto& lane : acc)
    for (std::size_t n = 0; n < inputs; ++n)
      for (auto& tile : lane[n])
        tile = V::splat_float(0);
  auto some = block_rows<V, tile32_blocks * facts.bytes>{base, stride, rows};
  for (std::size_t b = 0; b < blocks; b += tile32_blocks) {
    transposed32<V, E> w[V::tiles];
    const auto count = std::min(blocks - b, tile32_blocks);
    const auto at = some.at(b * facts.bytes, count * facts.bytes);
    for (std::size_t s = 0; s < V::tiles; ++s)
      transpose_blocks32<V, E>(at.base + s * V::rows * at.stride, at.stride, count, w[s]);
    constexpr auto bytes = tile_rows<V> * facts.bytes;
    const auto first = reinterpret_cast<std::uintptr_t>(base) + tile_rows<V> * stride + b * bytes;
    for (std::size_t n = 0; n < inputs; n += V::inputs) {
      const auto i = input + n;
      const auto in = block_inputs{x.q + i * x.cols + b * 32,        x.cols,
                                   x.sums + i * x.sum_stride + b,    x.sum_stride,
                                   x.scale + i * x.scale_stride + b, x.scale_stride};
      const auto next = prefetch_run{first, n == 0 ? (bytes + 63) / 64 : 0};
      with_inputs<V::inputs>(inputs - n, [&]<int Inputs>() {
        block_step32<V, E, Inputs>(w, in, acc[b % 16] + n, count, next);
      });
    }
  }
  for (std::size_t n = 0; n < inputs; ++n) {
    for (std::size_t s = 0; s < V::tiles; ++s)
      for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; ++l)
          acc[l][n][s] = V::add(acc[l][n][s], acc[l + half][n][s]);
    store_rows<V>(out + n * out_stride, rows, acc[0][n]);
  }
}

} // namespace larql::kernels
