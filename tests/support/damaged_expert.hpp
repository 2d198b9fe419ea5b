// Puts a number that is not finite into the weights of an expert of a tiny vindex.

#pragma once

#include "tests/support/tiny_model.hpp"

#include <cstdint>

namespace larql::test {

enum class expert_part { gate, up, down };

[[nodiscard]] constexpr const char* name_of(expert_part p) {
  constexpr const char* names[] = {"gate", "up", "down"};
  return names[static_cast<std::size_t>(p)];
}

/// Overwrites the scale in the last block of a matrix. Of a scale that is an exponent, with the one
/// that is none, whatever the value.
void damage_expert(const tiny_vindex& v, std::uint32_t layer, std::uint32_t expert,
                   expert_part part, float value);

} // namespace larql::test
