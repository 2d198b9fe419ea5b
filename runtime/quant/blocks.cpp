#include "runtime/quant/blocks.hpp"

#include <utility>

namespace larql::quant {

namespace {

// Low nibbles are the first half of the block, high nibbles the second.
void split_nibbles(const std::byte* p, std::array<std::uint8_t, 32>& out) noexcept {
  for (auto i = std::size_t{0}; i < 16; ++i) {
    out[i] = byte_at(p, i) & 15u;
    out[i + 16] = byte_at(p, i) >> 4u;
  }
}

void add_fifth_bit(std::uint32_t bits, std::array<std::uint8_t, 32>& out) noexcept {
  for (auto i = std::size_t{0}; i < 32; ++i)
    out[i] = static_cast<std::uint8_t>(out[i] | ((bits >> i) & 1u) << 4u);
}

// Two sub-blocks of 32 share 32 bytes, low nibbles first.
void split_k_nibbles(const std::byte* p, std::array<std::uint8_t, 256>& out) noexcept {
  for (auto i = std::size_t{0}; i < 128; ++i) {
    const auto group = i / 32 * 64;
    out[group + i % 32] = byte_at(p, i) & 15u;
    out[group + 32 + i % 32] = byte_at(p, i) >> 4u;
  }
}

void unpack_six_bit_scales(const std::byte* p, block256& out) noexcept {
  for (auto j = std::size_t{0}; j < 8; ++j) {
    const auto [scale, min] = unpack_scale_min(p, j);
    out.scale[2 * j] = out.scale[2 * j + 1] = scale;
    out.min[2 * j] = out.min[2 * j + 1] = min;
  }
}

float plain_weight(encoding e, const std::byte* p) noexcept {
  switch (facts_of(e).codes) {
  case code_layout::plain_f16: return half_to_float(u16_at(p, 0));
  case code_layout::plain_bf16: return bf16_to_float(u16_at(p, 0));
  default: return std::bit_cast<float>(u32_at(p, 0));
  }
}

} // namespace

scale_min unpack_scale_min(const std::byte* packed, std::size_t j) noexcept {
  // Sub-blocks 0..3 keep both numbers whole; 4..7 keep low nibbles in bytes 8..11 and borrow the
  // two top bits of bytes 0..7.
  const auto at = [packed](std::size_t i) { return static_cast<int>(byte_at(packed, i)); };
  if (j < 4)
    return {at(j) & 63, at(j + 4) & 63};
  return {(at(j + 4) & 15) | (at(j - 4) >> 6) << 4, at(j + 4) >> 4 | (at(j) >> 6) << 4};
}

block32 decode_block32(encoding e, const std::byte* p) noexcept {
  const auto& facts = facts_of(e);
  const auto* codes = p + facts.codes_at;
  auto out = block32{};
  out.d = half_to_float(u16_at(p, facts.d_at));
  if (facts.has_min)
    out.min = half_to_float(u16_at(p, facts.min_at));
  out.offset = facts.offset;
  switch (facts.codes) {
  case code_layout::nibbles: split_nibbles(codes, out.code); break;
  case code_layout::nibbles_fifth:
    split_nibbles(codes, out.code);
    add_fifth_bit(u32_at(p, facts.high_at), out.code);
    break;
  case code_layout::nibbles_iq4_nl:
    split_nibbles(codes, out.code);
    for (auto& c : out.code)
      c = iq4_nl_codes[c];
    break;
  default: // signed_bytes
    for (auto i = std::size_t{0}; i < 32; ++i)
      out.code[i] = static_cast<std::uint8_t>(byte_at(codes, i) ^ 0x80u);
    break;
  }
  return out;
}

block256 decode_block256(encoding e, const std::byte* p) noexcept {
  const auto& facts = facts_of(e);
  const auto* codes = p + facts.codes_at;
  const auto* high = p + facts.high_at;
  auto out = block256{};
  out.d = half_to_float(u16_at(p, facts.d_at));
  if (facts.has_min)
    out.d_min = half_to_float(u16_at(p, facts.min_at));
  out.offset = facts.offset;
  if (facts.scales == scale_layout::six_bit)
    unpack_six_bit_scales(p + facts.scales_at, out);
  else
    for (auto j = std::size_t{0}; j < 16; ++j) {
      out.scale[j] = static_cast<std::int8_t>(byte_at(p, facts.scales_at + j));
      out.min[j] = 0;
    }
  switch (facts.codes) {
  case code_layout::k_nibbles: split_k_nibbles(codes, out.code); break;
  case code_layout::k_nibbles_fifth:
    split_k_nibbles(codes, out.code);
    for (auto i = std::size_t{0}; i < 256; ++i) {
      const auto bit = (byte_at(high, i % 32) >> (i / 32)) & 1u;
      out.code[i] = static_cast<std::uint8_t>(out.code[i] | bit << 4u);
    }
    break;
  default: // linear_six
    for (auto i = std::size_t{0}; i < 256; ++i) {
      const auto low_bits = (byte_at(codes, i / 2) >> (i % 2 * 4)) & 15u;
      const auto high_bits = (byte_at(high, i / 4) >> (i % 4 * 2)) & 3u;
      out.code[i] = static_cast<std::uint8_t>(low_bits | high_bits << 4u);
    }
    break;
  }
  return out;
}

void dequantize_row(encoding e, const std::byte* row, std::size_t cols, float* out) noexcept {
  const auto shape = shape_of(e);
  for (auto i = std::size_t{0}; i < cols; i += shape.weights, row += shape.bytes) {
    if (shape.weights == 1) {
      out[i] = plain_weight(e, row);
    } else if (shape.weights == 32) {
      const auto b = decode_block32(e, row);
      for (auto j = std::size_t{0}; j < 32; ++j)
        out[i + j] = b.d * static_cast<float>(b.code[j] - b.offset) + b.min;
    } else {
      const auto b = decode_block256(e, row);
      for (auto j = std::size_t{0}; j < 256; ++j)
        out[i + j] =
            b.d * static_cast<float>(b.scale[j / 16]) * static_cast<float>(b.code[j] - b.offset) -
            b.d_min * static_cast<float>(b.min[j / 16]);
    }
  }
}

namespace {

// An exponent of ones is NaN or infinity. The half of a float that holds it is a bfloat16.
constexpr auto of_half = std::uint16_t{0x7c00};
constexpr auto of_bf16 = std::uint16_t{0x7f80};

// Looks at two bytes at each offset of each block, and fetches ahead: this reads whole models.
template <std::uint16_t Exponent, std::size_t BlockBytes, std::size_t... Offsets>
bool exponents_are_finite(const std::byte* row, std::size_t blocks) noexcept {
  constexpr auto ahead = std::size_t{4096};
  auto bad = false;
  for (const auto* end = row + blocks * BlockBytes; row != end; row += BlockBytes) {
    if constexpr (BlockBytes > 16)
      __builtin_prefetch( // as a number, because a pointer may not leave the row
          reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(row) + ahead));
    bad |= (((u16_at(row, Offsets) & Exponent) == Exponent) | ...);
  }
  return !bad;
}

template <encoding E>
bool is_finite(const std::byte* row, std::size_t blocks) noexcept {
  constexpr auto& facts = block_traits<E>;
  if constexpr (facts.codes == code_layout::plain_f32) // little-endian: its upper half
    return exponents_are_finite<of_bf16, facts.bytes, 2>(row, blocks);
  else if constexpr (facts.codes == code_layout::plain_bf16)
    return exponents_are_finite<of_bf16, facts.bytes, 0>(row, blocks);
  else if constexpr (facts.has_min)
    return exponents_are_finite<of_half, facts.bytes, facts.d_at, facts.min_at>(row, blocks);
  else
    return exponents_are_finite<of_half, facts.bytes, facts.d_at>(row, blocks);
}

constexpr auto finite_checks = []<std::size_t... I>(std::index_sequence<I...>) {
  return std::array{is_finite<static_cast<encoding>(I)>...};
}
(std::make_index_sequence<encoding_count>{});

} // namespace

bool row_is_finite(encoding e, const std::byte* row, std::size_t cols) noexcept {
  return finite_checks[static_cast<std::size_t>(e)](row, cols / shape_of(e).weights);
}

} // namespace larql::quant
