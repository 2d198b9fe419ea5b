// sin, cos, log and pow in double precision from basic IEEE operations in a fixed order, so that
// every machine computes the same bits. (libm picks its code by CPU and version.)
//
// Numerics  Absolute error of sin and cos below 1e-15 for |x| < 2^20; relative error of pow below
//           1e-14 for the bases and exponents of rotary embeddings.

#pragma once

namespace larql {

struct sin_cos {
  double sin;
  double cos;
};

/// @pre |x| < 2^31
[[nodiscard]] sin_cos portable_sin_cos(double x) noexcept;

/// Natural logarithm, relative error below 1e-15. @pre x > 0 and finite
[[nodiscard]] double portable_log(double x) noexcept;

/// base^exponent. @pre base > 0, |exponent * log(base)| < 700
[[nodiscard]] double portable_pow(double base, double exponent) noexcept;

} // namespace larql
