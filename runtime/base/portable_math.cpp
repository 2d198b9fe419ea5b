#include "runtime/base/portable_math.hpp"

#include <cmath>

namespace larql {

namespace {

// Taylor series on [-pi/4, pi/4]; the first dropped term is below 1e-17.
double sin_small(double x) noexcept {
  const auto y = x * x;
  auto p = -1.0 / 1307674368000.0;        // 15!
  p = std::fma(p, y, 1.0 / 6227020800.0); // 13!
  p = std::fma(p, y, -1.0 / 39916800.0);
  p = std::fma(p, y, 1.0 / 362880.0);
  p = std::fma(p, y, -1.0 / 5040.0);
  p = std::fma(p, y, 1.0 / 120.0);
  p = std::fma(p, y, -1.0 / 6.0);
  return std::fma(x * y, p, x);
}

double cos_small(double x) noexcept {
  const auto y = x * x;
  auto p = 1.0 / 20922789888000.0;          // 16!
  p = std::fma(p, y, -1.0 / 87178291200.0); // 14!
  p = std::fma(p, y, 1.0 / 479001600.0);
  p = std::fma(p, y, -1.0 / 3628800.0);
  p = std::fma(p, y, 1.0 / 40320.0);
  p = std::fma(p, y, -1.0 / 720.0);
  p = std::fma(p, y, 1.0 / 24.0);
  p = std::fma(p, y, -0.5);
  return std::fma(y, p, 1.0);
}

double exp_of(double x) noexcept {
  const auto n = std::floor(x * 1.44269504088896340736 + 0.5);
  auto r = std::fma(n, -6.93147180369123816490e-01, x); // ln 2 in two parts
  r = std::fma(n, -1.90821492927058770002e-10, r);
  auto p = 1.0;
  for (auto k = 16; k >= 1; --k)
    p = std::fma(p, r / k, 1.0);
  return std::ldexp(p, static_cast<int>(n));
}

} // namespace

sin_cos portable_sin_cos(double x) noexcept {
  // Multiples of pi/2 are removed in two parts; fma keeps the first product exact.
  const auto n = std::floor(x * 0.63661977236758134308 + 0.5);
  auto r = std::fma(n, -1.57079632679489655800e+00, x);
  r = std::fma(n, -6.12323399573676603587e-17, r);
  const auto s = sin_small(r);
  const auto c = cos_small(r);
  switch (static_cast<long long>(n) & 3) {
  case 0: return {s, c};
  case 1: return {c, -s};
  case 2: return {-s, -c};
  default: return {-c, s};
  }
}

// log(x) = e ln 2 + 2 atanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt(2)).
double portable_log(double x) noexcept {
  auto e = 0;
  auto m = std::frexp(x, &e);
  if (m < 0.70710678118654752440) {
    m *= 2;
    --e;
  }
  const auto s = (m - 1) / (m + 1);
  const auto z = s * s;
  auto p = 1.0 / 25.0;
  for (auto n = 23; n >= 1; n -= 2)
    p = std::fma(p, z, 1.0 / n);
  return std::fma(static_cast<double>(e), 0.69314718055994530942, 2 * s * p);
}

double portable_pow(double base, double exponent) noexcept {
  return exp_of(exponent * portable_log(base));
}

} // namespace larql
