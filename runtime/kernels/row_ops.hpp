// The float operations between matrix products, over one row of numbers, written once for all
// instruction sets (L is simd16_ref, simd16_avx2 or simd16_avx512).
//
// Shapes    Rows of any length; a tail shorter than 16 is handled as if padded with zeros.
// Numerics  Sums run in 16 lanes (element i in lane i mod 16) joined by L::reduce_add. The order is
//           part of the definition: batch size, threads and instruction set do not change it.
// Threads   Pure functions; no allocation.

#pragma once

#include "runtime/kernels/math_ops.hpp"

#include <cstddef>
#include <cstdint>

namespace larql::kernels {

template <class L>
struct row_ops {
  using vec = typename L::f32x16;
  using math = math_ops<L>;
  static constexpr std::size_t w = L::width;

  static vec load_tail(const float* p, std::size_t n) {
    float padded[w] = {};
    for (std::size_t i = 0; i < n; ++i)
      padded[i] = p[i];
    return L::load(padded);
  }
  static void store_tail(float* p, std::size_t n, vec a) {
    float padded[w];
    L::store(padded, a);
    for (std::size_t i = 0; i < n; ++i)
      p[i] = padded[i];
  }
  static vec load_some(const float* p, std::size_t n) {
    return n >= w ? L::load(p) : load_tail(p, n);
  }
  static void store_some(float* p, std::size_t n, vec a) {
    if (n >= w)
      L::store(p, a);
    else
      store_tail(p, n, a);
  }

  /// out = x / sqrt(mean(x^2) + eps) * weight; a null weight counts as ones. Returns mean(x^2).
  static float rms_norm(const float* x, const float* weight, std::size_t n, float eps, float* out) {
    auto sum = L::zero();
    for (std::size_t i = 0; i < n; i += w) {
      const auto v = load_some(x + i, n - i);
      sum = L::fma(v, v, sum);
    }
    const auto mean = L::reduce_add(sum) / static_cast<float>(n);
    const auto inverse = L::div(L::set1(1.0f), L::sqrt(L::add(L::set1(mean), L::set1(eps))));
    for (std::size_t i = 0; i < n; i += w) {
      auto v = L::mul(load_some(x + i, n - i), inverse);
      if (weight != nullptr)
        v = L::mul(v, load_some(weight + i, n - i));
      store_some(out + i, n - i, v);
    }
    return mean;
  }

  /// x += y
  static void add(float* x, const float* y, std::size_t n) {
    for (std::size_t i = 0; i < n; i += w)
      store_some(x + i, n - i, L::add(load_some(x + i, n - i), load_some(y + i, n - i)));
  }

  /// x *= factor
  static void scale(float* x, float factor, std::size_t n) {
    for (std::size_t i = 0; i < n; i += w)
      store_some(x + i, n - i, L::mul(load_some(x + i, n - i), L::set1(factor)));
  }

  /// out = x * y
  static void multiply(const float* x, const float* y, std::size_t n, float* out) {
    for (std::size_t i = 0; i < n; i += w)
      store_some(out + i, n - i, L::mul(load_some(x + i, n - i), load_some(y + i, n - i)));
  }

  /// out = F(gate) * up. False if a gate or an up is not finite.
  template <quant::activation_function F>
  static bool gated_mul(const float* gate, const float* up, std::size_t n, float* out) {
    auto not_finite = L::zero(); // x * 0 is 0 for finite x and NaN otherwise
    for (std::size_t i = 0; i < n; i += w) {
      const auto g = load_some(gate + i, n - i);
      const auto u = load_some(up + i, n - i);
      not_finite = L::fma(g, L::zero(), L::fma(u, L::zero(), not_finite));
      store_some(out + i, n - i, L::mul(math::template activation<F>(g), u));
    }
    return L::reduce_add(not_finite) == 0.0f;
  }

  /// False if an element is NaN or infinite.
  static bool all_finite(const float* x, std::size_t n) {
    auto not_finite = L::zero(); // x * 0 is 0 for finite x and NaN otherwise
    for (std::size_t i = 0; i < n; i += w)
      not_finite = L::fma(load_some(x + i, n - i), L::zero(), not_finite);
    return L::reduce_add(not_finite) == 0.0f;
  }

  /// x = cap * tanh(x / cap)
  static void softcap(float* x, float cap, std::size_t n) {
    for (std::size_t i = 0; i < n; i += w)
      store_some(x + i, n - i, math::softcap(load_some(x + i, n - i), L::set1(cap)));
  }

  /// The largest element. @pre n > 0
  static float maximum(const float* x, std::size_t n) {
    auto best = L::set1(x[0]);
    auto i = std::size_t{0};
    for (; i + w <= n; i += w)
      best = L::max(best, L::load(x + i));
    auto m = L::reduce_max(best);
    for (; i < n; ++i)
      m = m > x[i] ? m : x[i];
    return m;
  }

  /// x = e^(x - max) / sum. @pre n > 0
  static void softmax(float* x, std::size_t n) {
    const auto top = L::set1(maximum(x, n));
    auto sum = L::zero();
    for (std::size_t i = 0; i < n; i += w) {
      const auto e = math::exp(L::sub(load_some(x + i, n - i), top));
      store_some(x + i, n - i, e);
      sum = L::add(sum, load_some(x + i, n - i)); // the tail's padding adds zeros, not e^(-max)
    }
    const auto inverse = 1.0f / L::reduce_add(sum);
    scale(x, inverse, n);
  }

  /// scaled = (x - top) / temperature; weight = e^scaled. @pre temperature > 0
  static void softmax_terms(const float* x, std::size_t n, float top, float temperature,
                            float* scaled, float* weight) {
    for (std::size_t i = 0; i < n; i += w) {
      const auto d = L::div(L::sub(load_some(x + i, n - i), L::set1(top)), L::set1(temperature));
      store_some(scaled + i, n - i, d);
      store_some(weight + i, n - i, math::exp(d));
    }
  }

  /// Half-split rotation of one head: element i pairs with i + half; the first `pairs` pairs turn
  /// by the angle whose cosine and sine are cos[i], sin[i].
  static void rope(float* x, const float* cos, const float* sin, std::size_t half,
                   std::size_t pairs) {
    for (std::size_t i = 0; i < pairs; i += w) {
      const auto n = pairs - i;
      const auto a = load_some(x + i, n);
      const auto b = load_some(x + half + i, n);
      const auto c = load_some(cos + i, n);
      const auto s = load_some(sin + i, n);
      store_some(x + i, n, L::fma(a, c, L::sub(L::zero(), L::mul(b, s))));
      store_some(x + half + i, n, L::fma(b, c, L::mul(a, s)));
    }
  }

  /// Dot product of float rows.
  static float dot(const float* a, const float* b, std::size_t n) {
    auto sum = L::zero();
    for (std::size_t i = 0; i < n; i += w)
      sum = L::fma(load_some(a + i, n - i), load_some(b + i, n - i), sum);
    return L::reduce_add(sum);
  }

  /// sum[i] += round(y[i] * weight * 2^32). False if a term is not finite or not below 2^22 in
  /// magnitude; the sums are then useless.
  static bool accumulate_fixed(std::int64_t* sum, const float* y, float weight, std::size_t n) {
    auto largest = L::zero();
    auto not_finite = L::zero(); // x * 0 is 0 for finite x and NaN otherwise
    auto i = std::size_t{0};
    const auto term = [&](vec v) {
      v = L::mul(v, L::set1(weight));
      largest = L::max(L::abs(v), largest);
      not_finite = L::fma(v, L::zero(), not_finite);
      // Clamping keeps the conversion defined when the check below fails.
      v = L::min(L::max(v, L::set1(-0x1p22f)), L::set1(0x1p22f));
      return L::mul(v, L::set1(0x1p32f));
    };
    for (; i + w <= n; i += w)
      L::accumulate_i64(sum + i, term(L::load(y + i)));
    if (i < n) {
      std::int64_t padded[w] = {};
      L::accumulate_i64(padded, term(load_tail(y + i, n - i)));
      for (std::size_t j = 0; i + j < n; ++j)
        sum[i + j] += padded[j];
    }
    return L::reduce_max(largest) < 0x1p22f && L::reduce_add(not_finite) == 0.0f;
  }

  /// out[i] = sum[i] / 2^32
  static void fixed_to_float(const std::int64_t* sum, std::size_t n, float* out) {
    auto i = std::size_t{0};
    for (; i + w <= n; i += w)
      L::store(out + i, L::from_fixed(sum + i));
    if (i < n) {
      std::int64_t padded[w] = {};
      for (std::size_t j = 0; i + j < n; ++j)
        padded[j] = sum[i + j];
      store_tail(out + i, n - i, L::from_fixed(padded));
    }
  }
};

} // namespace larql::kernels
