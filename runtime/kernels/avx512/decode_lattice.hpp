// The lattice encodings taken apart in AVX-512 registers: points are gathered by their indices,
// signs are a mask. Included by decode.hpp only; quant/lattices.hpp has the tables.

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

// Eight signs from each lane's seven, as bits in order. The eighth makes the number of ones even.
static inline __mmask64 signs_of_sevens(__m256i sevens) {
  auto parity = _mm256_xor_si256(sevens, _mm256_srli_epi32(sevens, 4));
  parity = _mm256_xor_si256(parity, _mm256_srli_epi32(parity, 2));
  parity = _mm256_xor_si256(parity, _mm256_srli_epi32(parity, 1));
  const auto eighth =
      _mm256_and_si256(_mm256_slli_epi32(parity, 7), _mm256_set1_epi32(static_cast<int>(0x80)));
  return static_cast<__mmask64>(
      _mm_cvtsi128_si64(_mm256_cvtepi32_epi8(_mm256_or_si256(sevens, eighth))));
}

// Of two words, each with four times seven signs.
static inline __mmask64 signs_of_words(std::uint32_t first, std::uint32_t second) {
  const auto words = _mm256_set_m128i(_mm_set1_epi32(static_cast<int>(second)),
                                      _mm_set1_epi32(static_cast<int>(first)));
  const auto sevens = _mm256_srlv_epi32(words, _mm256_setr_epi32(0, 7, 14, 21, 0, 7, 14, 21));
  return signs_of_sevens(_mm256_and_si256(sevens, _mm256_set1_epi32(127)));
}

// The points of eight or of sixteen indices.
template <std::size_t N>
static inline __m512i points(const std::array<std::uint64_t, N>& table, __m256i index) {
  return _mm512_i32gather_epi64(index, table.data(), 8);
}
template <std::size_t N>
static inline __m512i points(const std::array<std::uint32_t, N>& table, __m512i index) {
  return _mm512_i32gather_epi32(index, table.data(), 4);
}

/// 64 codes from 64 * g on, in element order, offset included.
template <encoding E>
static inline __m512i lattice_codes(const std::uint8_t* p, int g) {
  constexpr auto& facts = block_traits<E>;
  const auto *codes = p + facts.codes_at, *high = p + facts.high_at;
  __m512i numbers;
  __mmask64 minus;
  if constexpr (facts.codes == code_layout::lattice_2xxs) {
    const auto* at = codes + 16 * g;
    const auto bytes = _mm_set_epi32(0, 0, load_number<int>(at + 8), load_number<int>(at));
    numbers = points(quant::iq2_xxs_points, _mm256_cvtepu8_epi32(bytes));
    minus = signs_of_words(load_number<std::uint32_t>(at + 4), load_number<std::uint32_t>(at + 12));
  } else if constexpr (facts.codes == code_layout::lattice_2xs) {
    const auto both =
        _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + 16 * g)));
    numbers = points(quant::iq2_xs_points, _mm256_and_si256(both, _mm256_set1_epi32(511)));
    minus = signs_of_sevens(_mm256_srli_epi32(both, 9));
  } else if constexpr (facts.codes == code_layout::lattice_2s) {
    const auto low =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes + 8 * g)));
    const auto pairs =
        _mm256_srlv_epi32(_mm256_set1_epi32(load_number<std::uint16_t>(high + 2 * g)),
                          _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14));
    const auto top = _mm256_slli_epi32(_mm256_and_si256(pairs, _mm256_set1_epi32(3)), 8);
    numbers = points(quant::iq2_s_points, _mm256_or_si256(low, top));
    minus = load_number<std::uint64_t>(codes + 32 + 8 * g);
  } else {
    const auto low =
        _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + 16 * g)));
    if constexpr (facts.codes == code_layout::lattice_3xxs) {
      numbers = points(quant::iq3_xxs_points, low);
      minus = signs_of_words(load_number<std::uint32_t>(high + 8 * g),
                             load_number<std::uint32_t>(high + 8 * g + 4));
    } else {
      static_assert(facts.codes == code_layout::lattice_3s);
      const auto ninth = load_number<std::uint16_t>(high + 2 * g);
      numbers = points(quant::iq3_s_points,
                       _mm512_mask_add_epi32(low, ninth, low, _mm512_set1_epi32(256)));
      minus = load_number<std::uint64_t>(high + 8 + 8 * g);
    }
  }
  const auto offset = _mm512_set1_epi8(static_cast<char>(facts.offset));
  return _mm512_mask_sub_epi8(_mm512_add_epi8(offset, numbers), minus, offset, numbers);
}

} // namespace larql::kernels::avx512
