// exp, GELU, SiLU and tanh soft-cap over sixteen lanes: our own fixed sequences of IEEE operations,
// so that every machine and every instruction set returns the same bits (libm does not promise
// that).
//
// Numerics  exp: relative error below 2e-7. gelu, silu and softcap follow from it.
// Source    The polynomial of exp is the one of Cephes' expf (public domain coefficients).

#pragma once

#include "runtime/quant/activation_function.hpp"

namespace larql::kernels {

template <class L>
struct math_ops {
  using vec = typename L::f32x16;

  /// e^x. Arguments are clamped to [-87, 88], where the result is a normal number.
  static vec exp(vec x) {
    x = L::min(L::max(x, L::set1(-87.0f)), L::set1(88.0f));
    // Adding 1.5 * 2^23 leaves round(x / ln 2) in the low mantissa bits.
    const auto magic = L::set1(0x1.8p23f);
    const auto shifted = L::fma(x, L::set1(1.44269504088896341f), magic);
    const auto n = L::sub(shifted, magic);
    auto r = L::fma(n, L::set1(-0.693359375f), x); // ln 2 in two parts, the first one exact
    r = L::fma(n, L::set1(2.12194440e-4f), r);
    auto p = L::set1(1.9875691500e-4f);
    p = L::fma(p, r, L::set1(1.3981999507e-3f));
    p = L::fma(p, r, L::set1(8.3334519073e-3f));
    p = L::fma(p, r, L::set1(4.1665795894e-2f));
    p = L::fma(p, r, L::set1(1.6666665459e-1f));
    p = L::fma(p, r, L::set1(5.0000001201e-1f));
    p = L::fma(p, L::mul(r, r), L::add(r, L::set1(1.0f)));
    return L::add_exponent(p, shifted);
  }

  /// 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), written as x / (1 + e^(-2u)).
  static vec gelu(vec x) {
    constexpr auto c = 0.7978845608028654f; // sqrt(2/pi)
    const auto t = L::fma(L::mul(x, x), L::set1(c * 0.044715f), L::set1(c));
    const auto e = exp(L::mul(L::mul(x, L::set1(-2.0f)), t));
    return L::div(x, L::add(L::set1(1.0f), e));
  }

  /// x / (1 + e^-x).
  static vec silu(vec x) {
    const auto e = exp(L::sub(L::zero(), x));
    return L::div(x, L::add(L::set1(1.0f), e));
  }

  template <quant::activation_function F>
  static vec activation(vec x) {
    if constexpr (F == quant::activation_function::gelu) {
      return gelu(x);
    } else {
      static_assert(F == quant::activation_function::silu);
      return silu(x);
    }
  }

  /// cap * tanh(x / cap).
  static vec softcap(vec x, vec cap) {
    const auto z = L::div(x, cap);
    const auto e = exp(L::mul(L::abs(z), L::set1(-2.0f)));
    const auto t = L::div(L::sub(L::set1(1.0f), e), L::add(L::set1(1.0f), e));
    return L::mul(L::copy_sign(t, z), cap);
  }
};

} // namespace larql::kernels
