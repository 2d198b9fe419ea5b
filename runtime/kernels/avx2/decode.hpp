// Quantised blocks taken apart in AVX2 registers: codes in element order, scales as the products
// want them. Included by dot.hpp only; quant/block_traits.hpp says where the parts of a block lie.

#pragma once

#include "runtime/kernels/activations.hpp"
#include "runtime/quant/block_traits.hpp"

#include <cstring>
#include <immintrin.h>

namespace larql::kernels::avx2 {

using quant::block_facts;
using quant::block_traits;
using quant::code_layout;
using quant::encoding;
using quant::scale_layout;

static inline const __m128i* as128(const void* p) {
  return static_cast<const __m128i*>(p);
}
static inline const __m256i* as256(const void* p) {
  return static_cast<const __m256i*>(p);
}

static inline std::uint16_t load_u16(const std::uint8_t* p) {
  std::uint16_t x;
  std::memcpy(&x, p, 2);
  return x;
}
static inline std::uint32_t load_u32(const std::uint8_t* p) {
  std::uint32_t x;
  std::memcpy(&x, p, 4);
  return x;
}

// Asks for the cache line `ahead` bytes after p. That may lie behind the end of the weights, where
// a pointer would not be defined.
static inline void prefetch(const std::uint8_t* p, std::size_t ahead) {
  _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(p) + ahead),
               _MM_HINT_T0);
}

// ---- blocks of 256 ----------------------------------------------------------------------------

// The 32 codes of sub-block `sub`, in element order.
static inline __m256i k_nibbles(const std::uint8_t* p, int sub) {
  const auto bytes = _mm256_loadu_si256(as256(p + 32 * (sub / 2)));
  const auto shifted = sub % 2 == 0 ? bytes : _mm256_srli_epi16(bytes, 4);
  return _mm256_and_si256(shifted, _mm256_set1_epi8(15));
}

template <encoding E>
static inline __m256i codes256(const std::uint8_t* p, int sub) {
  constexpr auto& facts = block_traits<E>;
  const auto *low_bits = p + facts.codes_at, *high_bits = p + facts.high_at;
  if constexpr (facts.codes == code_layout::k_nibbles) {
    return k_nibbles(low_bits, sub);
  } else if constexpr (facts.codes == code_layout::k_nibbles_fifth) {
    const auto bit = _mm256_set1_epi8(static_cast<char>(1 << sub));
    const auto fifth = _mm256_loadu_si256(as256(high_bits));
    const auto set = _mm256_cmpeq_epi8(_mm256_and_si256(fifth, bit), bit);
    return _mm256_or_si256(k_nibbles(low_bits, sub), _mm256_and_si256(set, _mm256_set1_epi8(16)));
  } else {
    static_assert(facts.codes == code_layout::linear_six);
    const auto pairs = _mm256_cvtepu8_epi16(_mm_loadu_si128(as128(low_bits + 16 * sub)));
    const auto low =
        _mm256_and_si256(_mm256_or_si256(pairs, _mm256_slli_epi16(pairs, 4)), _mm256_set1_epi8(15));
    const auto quads = _mm256_cvtepu8_epi32(_mm_loadl_epi64(as128(high_bits + 8 * sub)));
    // x | x << 6 | x << 12 | x << 18 has bits 2j, 2j+1 of x at the bottom of byte j.
    const auto twice = _mm256_or_si256(quads, _mm256_slli_epi32(quads, 12));
    const auto high =
        _mm256_and_si256(_mm256_or_si256(twice, _mm256_slli_epi32(twice, 6)), _mm256_set1_epi8(3));
    return _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
  }
}

// The scales of a block's groups. scale(sub) has one 16-bit scale per pair of codes; sum_factors()
// is what the sums of sixteen inputs are multiplied with: the minima, or offset times scale.
template <encoding E, scale_layout S = block_traits<E>.scales>
struct group_scales;

template <encoding E>
struct group_scales<E, scale_layout::six_bit> {
  static_assert(block_traits<E>.has_min && block_traits<E>.offset == 0);
  alignas(16) std::uint8_t scales[8];
  std::uint8_t minima[8];

  explicit group_scales(const std::uint8_t* block) {
    const auto* p = block + block_traits<E>.scales_at;
    constexpr auto six = 0x3f3f3f3fu, four = 0x0f0f0f0fu, two = 0x03030303u;
    const auto a = load_u32(p), b = load_u32(p + 4), c = load_u32(p + 8);
    const std::uint32_t words[4] = {a & six, (c & four) | ((a >> 6 & two) << 4), b & six,
                                    (c >> 4 & four) | ((b >> 6 & two) << 4)};
    std::memcpy(scales, words, 8);
    std::memcpy(minima, words + 2, 8);
  }
  __m256i scale(int sub) const { return _mm256_set1_epi16(scales[sub]); }
  __m256i sum_factors() const { // each minimum twice, because sums are kept per 16
    const auto m = _mm_loadl_epi64(as128(minima));
    return _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(m, m));
  }
};

template <encoding E>
struct group_scales<E, scale_layout::signed_bytes> {
  static_assert(!block_traits<E>.has_min && block_traits<E>.offset != 0);
  static_assert(128 * block_traits<E>.offset <= 32767, "sum_factors() has sixteen bits");
  __m256i scales; // sixteen 16-bit group scales

  explicit group_scales(const std::uint8_t* block)
      : scales(_mm256_cvtepi8_epi16(_mm_loadu_si128(as128(block + block_traits<E>.scales_at)))) {}
  __m256i scale(int sub) const {
    alignas(32) std::int16_t s[16];
    _mm256_store_si256(reinterpret_cast<__m256i*>(s), scales);
    return _mm256_set_m128i(_mm_set1_epi16(s[2 * sub + 1]), _mm_set1_epi16(s[2 * sub]));
  }
  __m256i sum_factors() const { return _mm256_slli_epi16(scales, block_traits<E>.offset_shift()); }
};

// d | d_min << 16
template <encoding E>
static inline std::uint32_t d_bits(const std::uint8_t* p) {
  constexpr auto& facts = block_traits<E>;
  static_assert(!facts.has_min || facts.min_at == facts.d_at + 2);
  if constexpr (facts.has_min)
    return load_u32(p + facts.d_at);
  else
    return load_u16(p + facts.d_at);
}

// ---- blocks of 32 -----------------------------------------------------------------------------

static inline __m256i nibbles32(const std::uint8_t* p) {
  const auto bytes = _mm_loadu_si128(as128(p));
  return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(bytes, 4), bytes), _mm256_set1_epi8(15));
}
static inline __m256i fifth_bits(__m256i codes, const std::uint8_t* p) {
  // Byte i of eight looks at bit i%8 of the i/8-th byte of the 32 bits.
  const auto bits = _mm256_shuffle_epi8(
      _mm256_set1_epi32(static_cast<int>(load_u32(p))),
      _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0));
  const auto mask = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  const auto set = _mm256_cmpeq_epi8(_mm256_and_si256(bits, mask), mask);
  return _mm256_or_si256(codes, _mm256_and_si256(set, _mm256_set1_epi8(16)));
}

// Codes that fill a byte have their offset taken here, because products of unsigned ones would not
// fit; the others keep theirs, and it is taken out with the sums of the inputs.
template <encoding E>
inline constexpr bool has_signed_codes = block_traits<E>.max_code > 127;

// The 32 codes of a block in element order.
template <encoding E>
static inline __m256i codes32(const std::uint8_t* p) {
  constexpr auto& facts = block_traits<E>;
  const auto* codes = p + facts.codes_at;
  if constexpr (facts.codes == code_layout::signed_bytes) {
    return _mm256_loadu_si256(as256(codes));
  } else if constexpr (facts.codes == code_layout::nibbles) {
    return nibbles32(codes);
  } else if constexpr (facts.codes == code_layout::nibbles_fifth) {
    return fifth_bits(nibbles32(codes), p + facts.high_at);
  } else {
    static_assert(facts.codes == code_layout::nibbles_iq4_nl);
    const auto table = _mm_xor_si128(_mm_load_si128(as128(quant::iq4_nl_codes.data())),
                                     _mm_set1_epi8(static_cast<char>(0x80)));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles32(codes));
  }
}

} // namespace larql::kernels::avx2
