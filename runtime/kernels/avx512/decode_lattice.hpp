// The lattice encodings taken apart in AVX-512 registers: numbers of points are looked up in tables
// that registers hold, signs are a mask. Included by decode.hpp only; quant/lattices.hpp has the
// tables.

#pragma once

#include "runtime/quant/block_traits.hpp"
#include "runtime/quant/lattices.hpp"

#include <cstring>
#include <immintrin.h>

namespace larql::kernels::avx512 {

using quant::block_traits;
using quant::code_layout;
using quant::encoding;

template <class T>
static inline T load_number(const std::uint8_t* p) {
  T x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

// Upper bits of 64 indices.
struct index_bits {
  __mmask64 bit7 = 0, bit8 = 0, bit9 = 0;
};

// table[index] of 64 indices, which have bits 0-6 in `index`.
template <std::size_t N>
static inline __m512i look_up_in(const std::uint8_t* table, __m512i index, const index_bits& bits) {
  const auto at = [&](std::size_t i) { return _mm512_load_si512(table + i); };
  if constexpr (N == 128)
    return _mm512_permutex2var_epi8(at(0), index, at(64));
  else
    return _mm512_mask_mov_epi8(look_up_in<N / 2>(table, index, bits),
                                N == 256   ? bits.bit7
                                : N == 512 ? bits.bit8
                                           : bits.bit9,
                                look_up_in<N / 2>(table + N / 2, index, bits));
}
template <std::size_t N>
static inline __m512i look_up_in(const std::array<std::uint8_t, N>& table, __m512i index,
                                 const index_bits& bits) {
  return look_up_in<N>(table.data(), index, bits);
}

// Eight signs to a byte of 32 words that have seven. The eighth makes the number of ones even.
static inline __m256i with_eighth_sign(__m512i sevens) {
  auto parity = _mm512_xor_si512(sevens, _mm512_srli_epi16(sevens, 4));
  parity = _mm512_xor_si512(parity, _mm512_srli_epi16(parity, 2));
  parity = _mm512_xor_si512(parity, _mm512_srli_epi16(parity, 1));
  const auto eighth = _mm512_and_si512(_mm512_slli_epi16(parity, 7), _mm512_set1_epi16(128));
  return _mm512_cvtepi16_epi8(_mm512_or_si512(sevens, eighth));
}

// The signs of a block, eight to a byte, of eight words that have four times seven.
static inline __m256i signs_of_eight_words(__m256i words) {
  const auto four = [&](int first) {
    const auto lanes = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    const auto each = _mm512_permutexvar_epi32(_mm512_add_epi32(lanes, _mm512_set1_epi32(first)),
                                               _mm512_castsi256_si512(words));
    const auto places = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 7, 14, 21));
    return _mm512_cvtepi32_epi16(
        _mm512_and_si512(_mm512_srlv_epi32(each, places), _mm512_set1_epi32(127)));
  };
  return with_eighth_sign(_mm512_inserti64x4(_mm512_castsi256_si512(four(0)), four(4), 1));
}

// Eight signs for each of 32 bytes, as bits for 64 codes each.
struct sign_bits {
  __mmask64 minus[4];

  explicit sign_bits(__m256i bytes) {
    const auto low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
    minus[0] = static_cast<__mmask64>(_mm_cvtsi128_si64(low));
    minus[1] = static_cast<__mmask64>(_mm_extract_epi64(low, 1));
    minus[2] = static_cast<__mmask64>(_mm_cvtsi128_si64(high));
    minus[3] = static_cast<__mmask64>(_mm_extract_epi64(high, 1));
  }
  explicit sign_bits(const std::uint8_t* p) { std::memcpy(minus, p, 32); }
};

template <encoding E>
static inline void apply_signs(const __m512i* numbers, const sign_bits& signs, __m512i* code) {
  const auto offset = _mm512_set1_epi8(static_cast<char>(block_traits<E>.offset));
  for (int g = 0; g < 4; ++g)
    code[g] = _mm512_mask_sub_epi8(_mm512_add_epi8(offset, numbers[g]), signs.minus[g], offset,
                                   numbers[g]);
}

// Points of four numbers: each number of all 64 points is looked up by itself.
template <std::size_t N>
static inline void points_of_four(const quant::lattice_planes<N>& planes, __m512i index,
                                  __mmask64 bit8, __m512i* numbers) {
  const auto bits = index_bits{_mm512_movepi8_mask(index), bit8, 0};
  const auto a = look_up_in(planes[0], index, bits), b = look_up_in(planes[1], index, bits);
  const auto c = look_up_in(planes[2], index, bits), d = look_up_in(planes[3], index, bits);
  const auto ab = _mm512_unpacklo_epi8(a, b), ab2 = _mm512_unpackhi_epi8(a, b);
  const auto cd = _mm512_unpacklo_epi8(c, d), cd2 = _mm512_unpackhi_epi8(c, d);
  numbers[0] = _mm512_unpacklo_epi16(ab, cd);
  numbers[1] = _mm512_unpackhi_epi16(ab, cd);
  numbers[2] = _mm512_unpacklo_epi16(ab2, cd2);
  numbers[3] = _mm512_unpackhi_epi16(ab2, cd2);
}

// Points of eight numbers of two bits: 32 of them.
template <std::size_t N>
static inline void points_of_eight(const quant::packed_points<N>& packed, __m256i index,
                                   index_bits bits, __m512i* numbers) {
  const auto all = _mm512_castsi256_si512(index);
  bits.bit7 = _mm512_movepi8_mask(all);
  const auto low = _mm512_castsi512_si256(look_up_in(packed[0], all, bits));
  const auto high = _mm512_castsi512_si256(look_up_in(packed[1], all, bits));
  const auto even = _mm256_unpacklo_epi8(low, high), odd = _mm256_unpackhi_epi8(low, high);
  const __m128i words[4] = {_mm256_castsi256_si128(even), _mm256_castsi256_si128(odd),
                            _mm256_extracti128_si256(even, 1), _mm256_extracti128_si256(odd, 1)};
  const auto places = _mm512_set1_epi64(0x0e0c'0a08'0604'0200);
  constexpr auto& n = quant::iq2_numbers;
  const auto table = _mm512_set1_epi32(n[0] | n[1] << 8 | n[2] << 16 | n[3] << 24);
  for (int g = 0; g < 4; ++g) // byte j of a point takes its bits from 2j on
    numbers[g] = _mm512_shuffle_epi8(
        table,
        _mm512_and_si512(_mm512_multishift_epi64_epi8(places, _mm512_cvtepu16_epi64(words[g])),
                         _mm512_set1_epi8(3)));
}

/// All codes of a block, offset included, 64 to a register. Gathering points from memory took up to
/// twice as long.
template <encoding E>
static inline void lattice_codes_of_block(const std::uint8_t* p, __m512i* code) {
  constexpr auto& facts = block_traits<E>;
  const auto* high = p + facts.high_at;
  const auto codes = _mm512_loadu_si512(p + facts.codes_at);
  __m512i numbers[4];
  const auto apply = [&](const sign_bits& signs) { apply_signs<E>(numbers, signs, code); };
  if constexpr (facts.codes == code_layout::lattice_2xxs) {
    const auto apart = _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15), codes);
    points_of_eight(quant::iq2_xxs_packed, _mm512_castsi512_si256(apart), {}, numbers);
    apply(sign_bits{signs_of_eight_words(_mm512_extracti64x4_epi64(apart, 1))});
  } else if constexpr (facts.codes == code_layout::lattice_2xs) {
    auto bits = index_bits{};
    bits.bit8 = _mm512_test_epi16_mask(codes, _mm512_set1_epi16(256));
    points_of_eight(quant::iq2_xs_packed, _mm512_cvtepi16_epi8(codes), bits, numbers);
    apply(sign_bits{with_eighth_sign(_mm512_srli_epi16(codes, 9))});
  } else if constexpr (facts.codes == code_layout::lattice_2s) {
    const auto pairs = _mm256_multishift_epi64_epi8( // byte i takes its bits from 2i on
        _mm256_setr_epi64x(0x0e0c'0a08'0604'0200, 0x1e1c'1a18'1614'1210, 0x2e2c'2a28'2624'2220,
                           0x3e3c'3a38'3634'3230),
        _mm256_set1_epi64x(load_number<long long>(high)));
    auto bits = index_bits{};
    bits.bit8 = _mm256_test_epi8_mask(pairs, _mm256_set1_epi8(1));
    bits.bit9 = _mm256_test_epi8_mask(pairs, _mm256_set1_epi8(2));
    points_of_eight(quant::iq2_s_packed, _mm512_castsi512_si256(codes), bits, numbers);
    apply(sign_bits{p + facts.codes_at + 32});
  } else {
    // Lane L of the planes takes the points that lane L of the codes needs: 4L to 4L + 3 of 16.
    const auto order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const auto index = _mm512_permutexvar_epi32(order, codes);
    if constexpr (facts.codes == code_layout::lattice_3xxs) {
      points_of_four(quant::iq3_xxs_planes, index, 0, numbers);
      apply(sign_bits{
          signs_of_eight_words(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(high)))});
    } else {
      static_assert(facts.codes == code_layout::lattice_3s);
      const auto ninth = _mm512_movm_epi8(load_number<std::uint64_t>(high));
      points_of_four(quant::iq3_s_planes, index,
                     _mm512_movepi8_mask(_mm512_permutexvar_epi32(order, ninth)), numbers);
      apply(sign_bits{high + 8});
    }
  }
}

} // namespace larql::kernels::avx512
