// Rounds a float row to 8 bits; the rule is in activations.hpp. Written once for all instruction
// sets, like row_ops.hpp.

#pragma once

#include "runtime/kernels/row_ops.hpp"

namespace larql::kernels {

template <class L>
struct quantize_ops {
  using vec = typename L::f32x16;
  using rows = row_ops<L>;
  static constexpr std::size_t w = L::width;

  /// One block of Block values, of which the first `n` exist. Writes its sums per SumBlock values.
  template <std::size_t Block, std::size_t SumBlock>
  static void block(const float* x, std::size_t n, std::int8_t* q, float* scale,
                    std::int16_t* sums) {
    vec v[Block / w];
    auto largest = L::zero();
    for (std::size_t i = 0; i < Block / w; ++i) {
      v[i] = i * w < n ? rows::load_some(x + i * w, n - i * w) : L::zero();
      largest = L::max(L::abs(v[i]), largest);
    }
    const auto top = L::reduce_max(largest);
    const auto tiny = !(top >= 0x1p-100f);
    *scale = tiny ? 0.0f : top / 127.0f;
    const auto inverse = L::set1(tiny ? 0.0f : 127.0f / top);
    const auto magic = L::set1(0x1.8p23f); // adding it rounds to an integer
    for (std::size_t i = 0; i < Block / w; ++i) {
      // The clamp changes nothing for finite input; it keeps NaN and infinity inside int8.
      const auto scaled = L::min(L::max(L::mul(v[i], inverse), L::set1(-127.0f)), L::set1(127.0f));
      L::store_i8(q + i * w, L::sub(L::add(scaled, magic), magic));
    }
    for (std::size_t i = 0; i < Block / SumBlock; ++i) {
      auto sum = 0;
      for (std::size_t j = 0; j < SumBlock; ++j)
        sum += q[i * SumBlock + j];
      sums[i] = static_cast<std::int16_t>(sum);
    }
  }

  template <std::size_t Block, std::size_t SumBlock>
  static void row(const float* x, std::size_t n, std::int8_t* q, float* scale, std::int16_t* sums) {
    for (std::size_t i = 0; i < n; i += Block) {
      block<Block, SumBlock>(x + i, n - i, q + i, scale, sums);
      ++scale;
      sums += Block / SumBlock;
    }
  }
};

} // namespace larql::kernels
