// Random numbers by their index: the number that the i-th token of a request draws is a function of
// the seed and i alone. It does not depend on what was computed before, or on which machine.
//
// Source    The i-th output of splitmix64. The standard library's distributions differ between
//           implementations.

#pragma once

#include <cstdint>

namespace larql::generate {

/// 53 random bits: the i-th number of a seed, in units of 2^-53.
[[nodiscard]] constexpr std::uint64_t random_bits(std::uint64_t seed, std::uint64_t i) noexcept {
  auto z = seed + (i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return z >> 11;
}

} // namespace larql::generate
