#include "runtime/quant/blocks.hpp"

#include "runtime/quant/lattices.hpp"

#include <span>
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

void look_up(const std::array<std::uint8_t, 16>& table, std::span<std::uint8_t> codes) noexcept {
  for (auto& c : codes)
    c = table[c];
}

// Two sub-blocks of 32 share 32 bytes, low nibbles first.
void split_k_nibbles(const std::byte* p, std::array<std::uint8_t, 256>& out) noexcept {
  for (auto i = std::size_t{0}; i < 128; ++i) {
    const auto group = i / 32 * 64;
    out[group + i % 32] = byte_at(p, i) & 15u;
    out[group + 32 + i % 32] = byte_at(p, i) >> 4u;
  }
}

// Four sub-blocks of 32 share 32 bytes, low bits first.
void split_k_pairs(const std::byte* p, std::array<std::uint8_t, 256>& out) noexcept {
  for (auto i = std::size_t{0}; i < 256; ++i)
    out[i] = (byte_at(p, i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2)) & 3u;
}

// Bit j of byte i belongs to weight 32j + i, above `place` bits of it that are there.
void add_high_bits(const std::byte* p, unsigned place,
                   std::array<std::uint8_t, 256>& out) noexcept {
  for (auto i = std::size_t{0}; i < 256; ++i) {
    const auto bit = (byte_at(p, i % 32) >> (i / 32)) & 1u;
    out[i] = static_cast<std::uint8_t>(out[i] | bit << place);
  }
}

// Sixteen bytes for each sub-block of 32, as in a block of 32.
void split_nibbles_by_32(const std::byte* p, std::array<std::uint8_t, 256>& out) noexcept {
  for (auto i = std::size_t{0}; i < 256; ++i) {
    const auto both = byte_at(p, i / 32 * 16 + i % 16);
    out[i] = i % 32 < 16 ? both & 15u : both >> 4u;
  }
}

void join_linear_six(const std::byte* low, const std::byte* high,
                     std::array<std::uint8_t, 256>& out) noexcept {
  for (auto i = std::size_t{0}; i < 256; ++i) {
    const auto low_bits = (byte_at(low, i / 2) >> (i % 2 * 4)) & 15u;
    const auto high_bits = (byte_at(high, i / 4) >> (i % 4 * 2)) & 3u;
    out[i] = static_cast<std::uint8_t>(low_bits | high_bits << 4u);
  }
}

void join_ggml_six(const std::byte* low, const std::byte* high,
                   std::array<std::uint8_t, 256>& out) noexcept {
  split_k_pairs(high, out);
  for (auto i = std::size_t{0}; i < 256; ++i) {
    const auto low_bits = (byte_at(low, i / 128 * 64 + i % 64) >> (i % 128 / 64 * 4)) & 15u;
    out[i] = static_cast<std::uint8_t>(low_bits | static_cast<unsigned>(out[i]) << 4u);
  }
}

// Nibble i of a run of them, low ones first.
int nibble_at(const std::byte* p, std::size_t i) noexcept {
  return byte_at(p, i / 2) >> (i % 2 * 4) & 15;
}

// The scale and minimum of group j.
scale_min scale_of(const block_facts& facts, const std::byte* p, std::size_t j) noexcept {
  switch (facts.scales) {
  case scale_layout::six_bit: return unpack_scale_min(p, j);
  case scale_layout::six_bit_signed: {
    // Nibbles: eight low ones, then the high ones of the same bytes. Pairs above them: bytes 8-11.
    const auto low = byte_at(p, j % 8) >> (j / 8 * 4) & 15;
    const auto high = byte_at(p, 8 + j % 4) >> (j / 4 * 2) & 3;
    return {(low | high << 4) - 32, 0};
  }
  case scale_layout::split_six: {
    const auto high = u16_at(p, 0) >> (j * 2) & 3;
    return {(nibble_at(p + 2, j) | high << 4) - 32, 0};
  }
  case scale_layout::nibbles: return {byte_at(p, j) & 15, byte_at(p, j) >> 4};
  case scale_layout::odd_nibbles: return {2 * nibble_at(p, j) + 1, 0};
  case scale_layout::odd_top_nibbles:
    return {2 * (byte_at(p, j * facts.scale_step + 3) >> 4) + 1, 0};
  default: return {static_cast<std::int8_t>(byte_at(p, j)), 0}; // signed_bytes
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
  out.d = d_of(facts, p);
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
    look_up(iq4_nl_codes, out.code);
    break;
  case code_layout::nibbles_mxfp4:
    split_nibbles(codes, out.code);
    look_up(mxfp4_codes, out.code);
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
  out.d = d_of(facts, p);
  if (facts.has_min)
    out.d_min = half_to_float(u16_at(p, facts.min_at));
  out.offset = facts.offset;
  for (auto j = std::size_t{0}; j < 16; ++j) {
    const auto s = scale_of(facts, p + facts.scales_at, j * facts.groups / 16);
    out.scale[j] = s.scale;
    out.min[j] = s.min;
  }
  switch (facts.codes) {
  case code_layout::k_nibbles: split_k_nibbles(codes, out.code); break;
  case code_layout::k_nibbles_fifth:
    split_k_nibbles(codes, out.code);
    add_high_bits(high, 4, out.code);
    break;
  case code_layout::k_pairs: split_k_pairs(codes, out.code); break;
  case code_layout::k_pairs_third:
    split_k_pairs(codes, out.code);
    add_high_bits(high, 2, out.code);
    break;
  case code_layout::nibbles_iq4_xs:
    split_nibbles_by_32(codes, out.code);
    look_up(iq4_nl_codes, out.code);
    break;
  case code_layout::linear_six: join_linear_six(codes, high, out.code); break;
  case code_layout::ggml_six: join_ggml_six(codes, high, out.code); break;
  default: decode_lattice(facts, p, out.code); break;
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

// Looks at one byte of each block.
template <std::uint8_t Bad, std::size_t BlockBytes>
bool bytes_are_not(const std::byte* first, std::size_t blocks) noexcept {
  auto bad = false;
  for (auto b = std::size_t{0}; b < blocks; ++b)
    bad |= byte_at(first, b * BlockBytes) == Bad;
  return !bad;
}

template <encoding E>
bool is_finite(const std::byte* row, std::size_t blocks) noexcept {
  constexpr auto& facts = block_traits<E>;
  if constexpr (facts.codes == code_layout::plain_f32) // little-endian: its upper half
    return exponents_are_finite<of_bf16, facts.bytes, 2>(row, blocks);
  else if constexpr (facts.codes == code_layout::plain_bf16)
    return exponents_are_finite<of_bf16, facts.bytes, 0>(row, blocks);
  else if constexpr (facts.d_is == d_kind::exponent)
    return bytes_are_not<255, facts.bytes>(row + facts.d_at, blocks);
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
