#include "runtime/quant/lattices.hpp"

#include "runtime/quant/blocks.hpp"

namespace larql::quant {

namespace {

/// Eight weights: two points of four numbers, or one of eight.
struct eight_weights {
  std::uint64_t numbers;
  std::uint8_t signs;
};

std::uint64_t joined(std::uint32_t first, std::uint32_t second) noexcept {
  return first | std::uint64_t{second} << 32u;
}

// Four times seven bits of signs of a word, for eight weights each.
std::uint8_t signs_of_word(const std::byte* p, std::size_t eight) noexcept {
  return eight_signs[u32_at(p, 0) >> (7 * eight) & 127u];
}

// Weights 8i to 8i + 7 of the block at p.
eight_weights weights_at(const block_facts& facts, const std::byte* p, std::size_t i) noexcept {
  const auto *codes = p + facts.codes_at, *high = p + facts.high_at;
  switch (facts.codes) {
  case code_layout::lattice_2xxs:
    return {iq2_xxs_points[byte_at(codes, i / 4 * 8 + i % 4)],
            signs_of_word(codes + i / 4 * 8 + 4, i % 4)};
  case code_layout::lattice_2xs: {
    const auto both = u16_at(codes, 2 * i);
    return {iq2_xs_points[both & 511u], eight_signs[both >> 9u]};
  }
  case code_layout::lattice_2s: {
    const auto top = byte_at(high, i / 4) >> (i % 4 * 2) & 3u;
    return {iq2_s_points[byte_at(codes, i) | top << 8u], byte_at(codes, 32 + i)};
  }
  case code_layout::lattice_3xxs:
    return {
        joined(iq3_xxs_points[byte_at(codes, 2 * i)], iq3_xxs_points[byte_at(codes, 2 * i + 1)]),
        signs_of_word(high + i / 4 * 4, i % 4)};
  default: { // lattice_3s
    const auto point = [&](std::size_t n) {
      return iq3_s_points[byte_at(codes, n) | (byte_at(high, n / 8) >> (n % 8) & 1u) << 8u];
    };
    return {joined(point(2 * i), point(2 * i + 1)), byte_at(high, 8 + i)};
  }
  }
}

} // namespace

void decode_lattice(const block_facts& facts, const std::byte* p,
                    std::array<std::uint8_t, 256>& out) noexcept {
  for (auto i = std::size_t{0}; i < 32; ++i) {
    const auto w = weights_at(facts, p, i);
    for (auto j = std::size_t{0}; j < 8; ++j) {
      const auto number = static_cast<int>(w.numbers >> (8 * j) & 255u);
      out[8 * i + j] =
          static_cast<std::uint8_t>(facts.offset + ((w.signs >> j & 1) != 0 ? -number : number));
    }
  }
}

} // namespace larql::quant
