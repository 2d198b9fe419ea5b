// Random but valid weight rows in every encoding, the same on every machine for the same seed.

#pragma once

#include "runtime/quant/encoding.hpp"

#include <cstdint>
#include <vector>

namespace larql::test {

/// A small generator whose values do not depend on the standard library.
class random_source {
public:
  explicit random_source(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}

  std::uint64_t bits();
  /// Uniform in [low, high).
  float uniform(float low, float high);
  /// About normal, deviation 1.
  float normal();
  /// Uniform in [0, n).
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(bits() % n); }

private:
  std::uint64_t state_;
};

std::vector<float> random_floats(random_source& random, std::size_t n, float deviation = 1.0f);

/// Bytes of rows × cols weights with magnitudes around `deviation`.
std::vector<std::byte> random_matrix(random_source& random, quant::encoding e, std::size_t rows,
                                     std::size_t cols, float deviation = 0.05f);

} // namespace larql::test
