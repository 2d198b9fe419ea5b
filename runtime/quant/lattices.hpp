// The lattice encodings IQ2 and IQ3: weights come eight or four at a time, as the number of a point
// in a fixed table and a sign for each.
//
// Numerics  Numbers of a point are positive: 8, 25 and 43 in IQ2; 4, 12, 20, 28, 36, 44, 52 and 62
//           in IQ3_XXS; odd numbers up to 15 in IQ3_S. The first lies in the lowest byte.
// Source    docs/vindex-format.md, "Block encodings". The tables are part of the formats, chosen by
//           their author (llama.cpp, ggml-common.h); never change.
// Threads   Constants and pure functions.

#pragma once

#include "runtime/quant/block_facts.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace larql::quant {

extern const std::array<std::uint64_t, 256> iq2_xxs_points;
extern const std::array<std::uint64_t, 512> iq2_xs_points;
extern const std::array<std::uint64_t, 1024> iq2_s_points;
extern const std::array<std::uint32_t, 256> iq3_xxs_points;
extern const std::array<std::uint32_t, 512> iq3_s_points;

/// The same points by number: plane j has the j-th number of every point.
template <std::size_t Points>
using lattice_planes = std::array<std::array<std::uint8_t, Points>, 4>;
alignas(64) extern const lattice_planes<256> iq3_xxs_planes;
alignas(64) extern const lattice_planes<512> iq3_s_planes;

/// The points of IQ2 with two bits for each number, which count in iq2_numbers: the lower bytes of
/// all, then the upper ones.
template <std::size_t Points>
using packed_points = std::array<std::array<std::uint8_t, Points>, 2>;
alignas(64) extern const packed_points<256> iq2_xxs_packed;
alignas(64) extern const packed_points<512> iq2_xs_packed;
alignas(64) extern const packed_points<1024> iq2_s_packed;
inline constexpr std::array<std::uint8_t, 4> iq2_numbers = {8, 25, 43, 0};

/// A bit for each of eight weights, set for a minus, from the seven that are stored: their number
/// is even.
inline constexpr auto eight_signs = [] {
  auto out = std::array<std::uint8_t, 128>{};
  for (auto seven = 0u; seven < 128; ++seven)
    out[seven] =
        static_cast<std::uint8_t>(seven | static_cast<unsigned>(std::popcount(seven) & 1) << 7u);
  return out;
}();

/// The 256 codes of a block at p. @pre facts.codes is one of the lattices'
void decode_lattice(const block_facts& facts, const std::byte* p,
                    std::array<std::uint8_t, 256>& out) noexcept;

} // namespace larql::quant
