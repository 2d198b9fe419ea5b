// Blocks of 32 taken apart in AVX-512 registers, four at a time. Included by the AVX-512 kernels
// only.

#pragma once

#include "runtime/kernels/avx512/decode.hpp"

#include <array>

namespace larql::kernels::avx512 {

// Where byte i of the lanes is in two registers, the first of which begins with four blocks and the
// second of which ends with them.
template <std::size_t Bytes, std::size_t Offset>
alignas(64) inline constexpr auto places_in_four = [] {
  auto out = std::array<std::uint8_t, 64>{};
  for (std::size_t i = 0; i < 64; ++i) {
    const auto at = i / 16 * Bytes + Offset + i % 16;
    out[i] = static_cast<std::uint8_t>(at < 64 ? at : at - (4 * Bytes - 64) + 64);
  }
  return out;
}();

// Sixteen bytes at Offset of each of up to four blocks of E, zeros for those that are not there.
template <encoding E, std::size_t Offset>
static inline __m512i lanes_of_blocks(const std::uint8_t* p, std::size_t count) {
  constexpr std::size_t bytes = block_traits<E>.bytes;
  if constexpr (4 * bytes <= 128) {
    if (count == 4)
      return _mm512_permutex2var_epi8(_mm512_loadu_si512(p),
                                      _mm512_load_si512(places_in_four<bytes, Offset>.data()),
                                      _mm512_loadu_si512(p + 4 * bytes - 64));
  }
  return load_lanes128(p + Offset, bytes, count);
}

// Bit i of the four bytes at high_at belongs to element i; twelve bytes behind them may be read.
template <encoding E>
static inline code_pair nibbles_and_fifth_bits(const std::uint8_t* p, std::size_t count) {
  constexpr auto& facts = block_traits<E>;
  auto codes = split_nibbles(lanes_of_blocks<E, facts.codes_at>(p, count));
  const auto bits = lanes_of_blocks<E, facts.high_at>(p, count);
  const auto bit = _mm512_set1_epi64(static_cast<long long>(0x8040201008040201u));
  const auto spread = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0101010101010101, 0));
  const auto set = [&](char first) {
    const auto bytes = _mm512_shuffle_epi8(bits, _mm512_add_epi8(spread, _mm512_set1_epi8(first)));
    return _mm512_test_epi8_mask(bytes, bit);
  };
  const auto sixteen = _mm512_set1_epi8(16);
  codes.first = _mm512_mask_add_epi8(codes.first, set(0), codes.first, sixteen);
  codes.second = _mm512_mask_add_epi8(codes.second, set(2), codes.second, sixteen);
  return codes;
}

static inline __m512i mxfp4_table() {
  return _mm512_broadcast_i32x4(_mm_load_si128(as128(quant::mxfp4_codes.data())));
}

// 2^(e - 128), as quant/half.hpp has it.
static inline __m512 exponents_to_floats(__m512i e) {
  const auto power = _mm512_cvtepi32_ps(_mm512_sub_epi32(e, _mm512_set1_epi32(128)));
  return _mm512_mask_mov_ps(_mm512_scalef_ps(_mm512_set1_ps(1), power),
                            _mm512_cmpeq_epi32_mask(e, _mm512_set1_epi32(255)),
                            _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000)));
}

// Up to four blocks taken apart: a 128-bit lane of each register per block, elements 0-15 in the
// first register and 16-31 in the second. Codes have their offset.
template <encoding E>
static inline code_pair unpack_blocks32(const std::uint8_t* p, std::size_t count) {
  constexpr auto& facts = block_traits<E>;
  if constexpr (facts.codes == code_layout::signed_bytes) {
    const auto* codes = p + facts.codes_at;
    const auto sign = _mm512_set1_epi8(static_cast<char>(0x80));
    return {_mm512_xor_si512(load_lanes128(codes, facts.bytes, count), sign),
            _mm512_xor_si512(load_lanes128(codes + 16, facts.bytes, count), sign)};
  } else if constexpr (facts.codes == code_layout::nibbles) {
    return split_nibbles(lanes_of_blocks<E, facts.codes_at>(p, count));
  } else if constexpr (facts.codes == code_layout::nibbles_fifth) {
    static_assert(facts.codes_at == facts.high_at + 4);
    return nibbles_and_fifth_bits<E>(p, count);
  } else {
    static_assert(facts.codes == code_layout::nibbles_iq4_nl ||
                  facts.codes == code_layout::nibbles_mxfp4);
    const auto index = split_nibbles(lanes_of_blocks<E, facts.codes_at>(p, count));
    const auto table = facts.codes == code_layout::nibbles_mxfp4 ? mxfp4_table() : iq4_nl_table();
    return {_mm512_shuffle_epi8(table, index.first), _mm512_shuffle_epi8(table, index.second)};
  }
}

} // namespace larql::kernels::avx512
