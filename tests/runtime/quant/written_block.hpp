// One block of an encoding, written byte by byte, and the weights that it stands for.

#pragma once

#include "runtime/quant/blocks.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace larql::test {

constexpr std::uint16_t half_one = 0x3c00, half_two = 0x4000, half_minus_half = 0xb800;

struct written_block {
  explicit written_block(quant::encoding format)
      : e(format), bytes(quant::shape_of(format).bytes) {}

  void put(std::size_t at, unsigned x) { bytes[at] = static_cast<std::byte>(x); }
  void put_half(std::size_t at, std::uint16_t h) { put(at, h & 255u), put(at + 1, h >> 8u); }
  void put_u32(std::size_t at, std::uint32_t x) {
    for (auto i = 0u; i < 4; ++i)
      put(at + i, x >> (8 * i) & 255u);
  }

  [[nodiscard]] std::vector<float> weights() const {
    auto out = std::vector<float>(quant::shape_of(e).weights);
    quant::dequantize_row(e, bytes.data(), out.size(), out.data());
    return out;
  }

  quant::encoding e;
  std::vector<std::byte> bytes;
};

} // namespace larql::test
