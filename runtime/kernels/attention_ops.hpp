// Attention of the query heads that share one key/value head, over one contiguous run of cached
// positions. Written once for all instruction sets.
//
// Shapes    q, out: [heads][dim]; keys, values: [count][dim] in half or single precision;
//           scores: [heads][score_stride]. dim is a multiple of 16.
// Numerics  A score is a 16-lane dot product (row_ops.hpp). The mix adds p[j] * value[j] by fma in
//           ascending j, so a run may be split anywhere (ring buffer) without changing a bit.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace larql::kernels {

template <class L>
struct attention_ops {
  using vec = typename L::f32x16;
  static constexpr std::size_t w = L::width;

  static vec load_element(const std::uint16_t* p) { return L::load_f16(p); }
  static vec load_element(const float* p) { return L::load(p); }

  // From so many heads on, half precision is widened once for all of them, a tile that stays in the
  // first cache at a time, and not anew for every four. Where a key is read for few sums at a time,
  // keys in half precision are read faster than wide ones.
  static constexpr std::size_t heads_of_tile = 32;
  static constexpr std::size_t numbers_of_tile = 4096; // 16 kB
  static constexpr std::size_t columns = 4;            // vectors of a tile of values

  template <class T>
  static constexpr bool is_half = std::is_same_v<T, std::uint16_t>;

  /// scores[h][j] = q[h] · keys[j]
  template <class T>
  static void scores(const float* q, std::size_t heads, std::size_t dim, const void* keys,
                     std::size_t count, float* out, std::size_t score_stride) {
    const auto* k = static_cast<const T*>(keys);
    if (!is_half<T> || L::accumulators < 16 || heads < heads_of_tile || dim > numbers_of_tile)
      return scores_of(q, heads, dim, k, count, out, score_stride);
    alignas(64) float tile[numbers_of_tile];
    const auto most = numbers_of_tile / dim;
    for (std::size_t j = 0; j < count; j += most) {
      const auto n = std::min(most, count - j);
      widen(k + j * dim, n * dim, tile);
      scores_of(q, heads, dim, tile, n, out + j, score_stride);
    }
  }

  template <class T>
  static void widen(const T* x, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; i += w)
      L::store(out + i, load_element(x + i));
  }

  template <class T>
  static void scores_of(const float* q, std::size_t heads, std::size_t dim, const T* keys,
                        std::size_t count, float* out, std::size_t score_stride) {
    auto h = std::size_t{0};
    for (; h + 4 <= heads; h += 4)
      score_heads<T, 4>(q + h * dim, dim, keys, count, out + h * score_stride, score_stride);
    for (; h + 2 <= heads; h += 2)
      score_heads<T, 2>(q + h * dim, dim, keys, count, out + h * score_stride, score_stride);
    for (; h < heads; ++h)
      score_heads<T, 1>(q + h * dim, dim, keys, count, out + h * score_stride, score_stride);
  }

  template <class T, std::size_t Heads>
  static void score_heads(const float* q, std::size_t dim, const T* keys, std::size_t count,
                          float* out, std::size_t score_stride) {
    constexpr auto at_once = std::clamp<std::size_t>(L::accumulators / Heads, 1, 4);
    auto j = std::size_t{0};
    for (; j + at_once <= count; j += at_once)
      score_keys<T, Heads, at_once>(q, dim, keys + j * dim, out + j, score_stride);
    for (; j < count; ++j)
      score_keys<T, Heads, 1>(q, dim, keys + j * dim, out + j, score_stride);
  }

  // Keys share what is loaded of the heads, and heads what is loaded of the keys.
  template <class T, std::size_t Heads, std::size_t Keys>
  static void score_keys(const float* q, std::size_t dim, const T* keys, float* out,
                         std::size_t score_stride) {
    vec sum[Heads * Keys];
    for (auto& s : sum)
      s = L::zero();
    for (std::size_t i = 0; i < dim; i += w) {
      vec key[Keys];
      for (std::size_t j = 0; j < Keys; ++j)
        key[j] = load_element(keys + j * dim + i);
      for (std::size_t h = 0; h < Heads; ++h) {
        const auto part = L::load(q + h * dim + i);
        for (std::size_t j = 0; j < Keys; ++j)
          sum[h * Keys + j] = L::fma(part, key[j], sum[h * Keys + j]);
      }
    }
    float total[Heads * Keys];
    if constexpr (requires { L::reduce_add_each(sum, total); })
      L::reduce_add_each(sum, total);
    else
      for (std::size_t i = 0; i < Heads * Keys; ++i)
        total[i] = L::reduce_add(sum[i]);
    for (std::size_t h = 0; h < Heads; ++h)
      std::copy_n(total + h * Keys, Keys, out + h * score_stride);
  }

  /// out[h] += sum over j of p[h][j] * values[j]
  template <class T>
  static void mix(const float* p, std::size_t score_stride, std::size_t heads, std::size_t dim,
                  const void* values, std::size_t count, float* out) {
    const auto* v = static_cast<const T*>(values);
    auto i = std::size_t{0};
    for (; i + columns * w <= dim; i += columns * w)
      mix_block<T, columns>(p, score_stride, heads, dim, v + i, count, out + i);
    for (; i < dim; i += w)
      mix_block<T, 1>(p, score_stride, heads, dim, v + i, count, out + i);
  }

  template <class T, std::size_t Columns>
  static void mix_block(const float* p, std::size_t score_stride, std::size_t heads,
                        std::size_t dim, const T* values, std::size_t count, float* out) {
    if (!is_half<T> || heads < heads_of_tile)
      return mix_heads<T, Columns>(p, score_stride, heads, dim, values, dim, count, out);
    constexpr auto width = Columns * w;
    constexpr auto most = std::size_t{64};
    static_assert(most * width <= numbers_of_tile);
    alignas(64) float tile[most * width];
    for (std::size_t j = 0; j < count; j += most) {
      const auto n = std::min(most, count - j);
      for (std::size_t of = 0; of < n; ++of)
        widen(values + (j + of) * dim, width, tile + of * width);
      mix_heads<float, Columns>(p + j, score_stride, heads, dim, tile, width, n, out);
    }
  }

  template <class T, std::size_t Columns>
  static void mix_heads(const float* p, std::size_t score_stride, std::size_t heads,
                        std::size_t dim, const T* values, std::size_t value_stride,
                        std::size_t count, float* out) {
    const auto some = [&]<std::size_t Heads>(std::size_t h) {
      constexpr auto at_once = std::clamp<std::size_t>(L::accumulators / Heads, 1, Columns);
      for (std::size_t c = 0; c < Columns; c += at_once)
        mix_columns<T, Heads, at_once>(p + h * score_stride, score_stride, dim, values + c * w,
                                       value_stride, count, out + h * dim + c * w);
    };
    auto h = std::size_t{0};
    for (; h + 4 <= heads; h += 4)
      some.template operator()<4>(h);
    for (; h + 2 <= heads; h += 2)
      some.template operator()<2>(h);
    for (; h < heads; ++h)
      some.template operator()<1>(h);
  }

  // Columns vectors of one head stay in registers while the positions stream by.
  template <class T, std::size_t Heads, std::size_t Columns>
  static void mix_columns(const float* p, std::size_t score_stride, std::size_t dim,
                          const T* values, std::size_t value_stride, std::size_t count,
                          float* out) {
    vec sum[Heads][Columns];
    for (std::size_t h = 0; h < Heads; ++h)
      for (std::size_t c = 0; c < Columns; ++c)
        sum[h][c] = L::load(out + h * dim + c * w);
    for (std::size_t j = 0; j < count; ++j) {
      vec v[Columns];
      for (std::size_t c = 0; c < Columns; ++c)
        v[c] = load_element(values + j * value_stride + c * w);
      for (std::size_t h = 0; h < Heads; ++h) {
        const auto weight = L::set1(p[h * score_stride + j]);
        for (std::size_t c = 0; c < Columns; ++c)
          sum[h][c] = L::fma(weight, v[c], sum[h][c]);
      }
    }
    for (std::size_t h = 0; h < Heads; ++h)
      for (std::size_t c = 0; c < Columns; ++c)
        L::store(out + h * dim + c * w, sum[h][c]);
  }

  static void store_f16(const float* x, std::size_t n, std::uint16_t* out) {
    for (std::size_t i = 0; i < n; i += w)
      L::store_f16(out + i, L::load(x + i));
  }
};

} // namespace larql::kernels
