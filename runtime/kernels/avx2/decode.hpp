// Quantised blocks taken apart in AVX2 registers: codes in element order, scales as the products
// want them. Included by dot.hpp only; quant/block_traits.hpp says where the parts of a block lie.

#pragma once

#include "runtime/kernels/activations.hpp"
#include "runtime/quant/block_traits.hpp"
#include "runtime/quant/lattices.hpp"

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

// Codes that fill a byte have their offset taken here, because products of unsigned ones would not
// fit; the others keep theirs, and it is taken out with the sums of the inputs.
template <encoding E>
inline constexpr bool has_signed_codes = block_traits<E>.max_code > 127;

// Byte i of 32 is ones where bit i is set.
static inline __m256i bytes_of_bits(std::uint32_t bits) {
  // Byte i of eight looks at bit i%8 of the i/8-th byte of the 32 bits.
  const auto spread = _mm256_shuffle_epi8(
      _mm256_set1_epi32(static_cast<int>(bits)),
      _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202, 0x0101010101010101, 0));
  const auto mask = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201u));
  return _mm256_cmpeq_epi8(_mm256_and_si256(spread, mask), mask);
}

// The 32 nibbles of sixteen bytes, low ones first.
static inline __m256i nibbles32(const std::uint8_t* p) {
  const auto bytes = _mm_loadu_si128(as128(p));
  return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(bytes, 4), bytes), _mm256_set1_epi8(15));
}

static inline __m256i look_up(__m128i table, __m256i nibbles) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles);
}

// Offset taken.
static inline __m128i iq4_nl_table() {
  return _mm_xor_si128(_mm_load_si128(as128(quant::iq4_nl_codes.data())),
                       _mm_set1_epi8(static_cast<char>(0x80)));
}

// ---- lattices ---------------------------------------------------------------------------------

static inline std::uint32_t signs_of(std::uint32_t a, std::uint32_t b, std::uint32_t c,
                                     std::uint32_t d) {
  const auto* table = quant::eight_signs.data();
  return table[a] | static_cast<std::uint32_t>(table[b]) << 8 |
         static_cast<std::uint32_t>(table[c]) << 16 | static_cast<std::uint32_t>(table[d]) << 24;
}
// Four times seven bits of a word.
static inline std::uint32_t signs_of_word(std::uint32_t word) {
  return signs_of(word & 127, word >> 7 & 127, word >> 14 & 127, word >> 21 & 127);
}

// The points of four or of eight indices.
static inline __m256i points(const std::uint64_t* table, const std::uint32_t* index) {
  const auto at = [&](int i) { return static_cast<long long>(table[index[i]]); };
  return _mm256_set_epi64x(at(3), at(2), at(1), at(0));
}
static inline __m256i points(const std::uint32_t* table, const std::uint32_t* index) {
  const auto at = [&](int i) { return static_cast<int>(table[index[i]]); };
  return _mm256_set_epi32(at(7), at(6), at(5), at(4), at(3), at(2), at(1), at(0));
}

// The 32 codes of sub-block `sub`, offset included.
template <encoding E>
static inline __m256i lattice_codes(const std::uint8_t* p, int sub) {
  constexpr auto& facts = block_traits<E>;
  const auto *codes = p + facts.codes_at, *high = p + facts.high_at;
  std::uint32_t index[8];
  auto signs = std::uint32_t{0};
  __m256i numbers;
  if constexpr (facts.codes == code_layout::lattice_2xxs) {
    const auto* at = codes + 8 * sub;
    for (int i = 0; i < 4; ++i)
      index[i] = at[i];
    numbers = points(quant::iq2_xxs_points.data(), index);
    signs = signs_of_word(load_u32(at + 4));
  } else if constexpr (facts.codes == code_layout::lattice_2xs) {
    std::uint16_t both[4];
    std::memcpy(both, codes + 8 * sub, 8);
    for (int i = 0; i < 4; ++i)
      index[i] = both[i] & 511u;
    numbers = points(quant::iq2_xs_points.data(), index);
    signs = signs_of(both[0] >> 9u, both[1] >> 9u, both[2] >> 9u, both[3] >> 9u);
  } else if constexpr (facts.codes == code_layout::lattice_2s) {
    for (int i = 0; i < 4; ++i)
      index[i] = codes[4 * sub + i] | (high[sub] >> (2 * i) & 3u) << 8;
    numbers = points(quant::iq2_s_points.data(), index);
    signs = load_u32(codes + 32 + 4 * sub);
  } else if constexpr (facts.codes == code_layout::lattice_3xxs) {
    for (int i = 0; i < 8; ++i)
      index[i] = codes[8 * sub + i];
    numbers = points(quant::iq3_xxs_points.data(), index);
    signs = signs_of_word(load_u32(high + 4 * sub));
  } else {
    static_assert(facts.codes == code_layout::lattice_3s);
    for (int i = 0; i < 8; ++i)
      index[i] = codes[8 * sub + i] | (high[sub] >> i & 1u) << 8;
    numbers = points(quant::iq3_s_points.data(), index);
    signs = load_u32(high + 8 + 4 * sub);
  }
  const auto minus = bytes_of_bits(signs);
  const auto with_signs = _mm256_sub_epi8(_mm256_xor_si256(numbers, minus), minus);
  return _mm256_add_epi8(with_signs, _mm256_set1_epi8(static_cast<char>(facts.offset)));
}

// ---- blocks of 256 ----------------------------------------------------------------------------

// The 32 codes of sub-block `sub`, in element order.
static inline __m256i k_nibbles(const std::uint8_t* p, int sub) {
  const auto bytes = _mm256_loadu_si256(as256(p + 32 * (sub / 2)));
  const auto shifted = sub % 2 == 0 ? bytes : _mm256_srli_epi16(bytes, 4);
  return _mm256_and_si256(shifted, _mm256_set1_epi8(15));
}

// The same where four sub-blocks share 32 bytes.
static inline __m256i k_pairs(const std::uint8_t* p, int sub) {
  const auto bytes = _mm256_loadu_si256(as256(p + 32 * (sub / 4)));
  return _mm256_and_si256(_mm256_srl_epi16(bytes, _mm_cvtsi32_si128(2 * (sub % 4))),
                          _mm256_set1_epi8(3));
}

// `value` in the bytes whose bit `sub` is set.
static inline __m256i high_bits_of(const std::uint8_t* p, int sub, char value) {
  const auto bit = _mm256_set1_epi8(static_cast<char>(1 << sub));
  const auto set = _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_loadu_si256(as256(p)), bit), bit);
  return _mm256_and_si256(set, _mm256_set1_epi8(value));
}

template <encoding E>
static inline __m256i codes256(const std::uint8_t* p, int sub) {
  constexpr auto& facts = block_traits<E>;
  const auto *low_bits = p + facts.codes_at, *high_bits = p + facts.high_at;
  if constexpr (facts.codes == code_layout::k_nibbles) {
    return k_nibbles(low_bits, sub);
  } else if constexpr (facts.codes == code_layout::k_nibbles_fifth) {
    return _mm256_or_si256(k_nibbles(low_bits, sub), high_bits_of(high_bits, sub, 16));
  } else if constexpr (facts.codes == code_layout::k_pairs) {
    return k_pairs(low_bits, sub);
  } else if constexpr (facts.codes == code_layout::k_pairs_third) {
    return _mm256_or_si256(k_pairs(low_bits, sub), high_bits_of(high_bits, sub, 4));
  } else if constexpr (facts.codes == code_layout::nibbles_iq4_xs) {
    static_assert(has_signed_codes<E>);
    return look_up(iq4_nl_table(), nibbles32(low_bits + 16 * sub));
  } else if constexpr (facts.codes == code_layout::ggml_six) {
    const auto both = _mm256_loadu_si256(as256(low_bits + 64 * (sub / 4) + 32 * (sub % 2)));
    const auto low =
        _mm256_and_si256(sub % 4 < 2 ? both : _mm256_srli_epi16(both, 4), _mm256_set1_epi8(15));
    return _mm256_or_si256(low, _mm256_slli_epi16(k_pairs(high_bits, sub), 4));
  } else if constexpr (facts.codes != code_layout::linear_six) {
    return lattice_codes<E>(p, sub);
  } else {
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

// Sixteen 16-bit scales, one for each group of sixteen codes.
struct sixteen_scales {
  __m256i scales;

  __m256i scale(int sub) const {
    alignas(32) std::int16_t s[16];
    _mm256_store_si256(reinterpret_cast<__m256i*>(s), scales);
    return _mm256_set_m128i(_mm_set1_epi16(s[2 * sub + 1]), _mm_set1_epi16(s[2 * sub]));
  }
};

// The same with offset times scale as the factors of sums.
template <encoding E>
struct offset_scales : sixteen_scales {
  static_assert(!block_traits<E>.has_min && block_traits<E>.offset != 0);
  static_assert(has_signed_codes<E> || 32 * block_traits<E>.offset <= 32767,
                "sum_factors() has sixteen bits");
  __m256i sum_factors() const { return _mm256_slli_epi16(scales, block_traits<E>.offset_shift()); }
};

// The sixteen numbers of eight bytes, each for two groups if there are eight of them.
template <encoding E>
static inline __m128i one_per_sixteen(__m128i bytes) {
  return block_traits<E>.groups == 8 ? _mm_unpacklo_epi8(bytes, bytes) : bytes;
}

template <encoding E>
struct group_scales<E, scale_layout::six_bit_signed> : offset_scales<E> {
  static_assert(block_traits<E>.groups == 16);
  explicit group_scales(const std::uint8_t* block) {
    const auto* p = block + block_traits<E>.scales_at;
    const auto both = _mm_loadl_epi64(as128(p));
    const auto low =
        _mm_and_si128(_mm_unpacklo_epi64(both, _mm_srli_epi16(both, 4)), _mm_set1_epi8(15));
    const auto pairs = _mm_and_si128( // dword i: bits 2i of the four bytes
        _mm_srlv_epi32(_mm_set1_epi32(static_cast<int>(load_u32(p + 8))),
                       _mm_setr_epi32(0, 2, 4, 6)),
        _mm_set1_epi8(3));
    const auto six = _mm_or_si128(low, _mm_slli_epi16(pairs, 4));
    this->scales = _mm256_cvtepi8_epi16(_mm_sub_epi8(six, _mm_set1_epi8(32)));
  }
};

template <encoding E>
struct group_scales<E, scale_layout::split_six> : offset_scales<E> {
  static_assert(block_traits<E>.groups == 8);
  explicit group_scales(const std::uint8_t* block) {
    const auto* p = block + block_traits<E>.scales_at;
    const auto both = _mm_cvtsi32_si128(static_cast<int>(load_u32(p + 2)));
    const auto low = _mm_cvtepu8_epi16(
        _mm_and_si128(_mm_unpacklo_epi8(both, _mm_srli_epi16(both, 4)), _mm_set1_epi8(15)));
    // Lane j: bits 2j and 2j + 1 are moved to the top, and down again.
    const auto pairs = _mm_srli_epi16(
        _mm_mullo_epi16(_mm_set1_epi16(static_cast<short>(load_u16(p))),
                        _mm_setr_epi16(1 << 14, 1 << 12, 1 << 10, 1 << 8, 1 << 6, 1 << 4, 4, 1)),
        14);
    const auto eight =
        _mm_sub_epi16(_mm_or_si128(low, _mm_slli_epi16(pairs, 4)), _mm_set1_epi16(32));
    this->scales =
        _mm256_set_m128i(_mm_unpackhi_epi16(eight, eight), _mm_unpacklo_epi16(eight, eight));
  }
};

template <encoding E>
struct group_scales<E, scale_layout::nibbles> : sixteen_scales {
  static_assert(block_traits<E>.has_min && block_traits<E>.groups == 16);
  __m256i minima;

  explicit group_scales(const std::uint8_t* block) {
    const auto both = _mm_loadu_si128(as128(block + block_traits<E>.scales_at));
    const auto four = _mm_set1_epi8(15);
    scales = _mm256_cvtepu8_epi16(_mm_and_si128(both, four));
    minima = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(both, 4), four));
  }
  __m256i sum_factors() const { return minima; }
};

// 2n + 1 of nibbles n.
static inline __m256i odd_numbers(__m128i nibbles) {
  return _mm256_or_si256(_mm256_slli_epi16(_mm256_cvtepu8_epi16(nibbles), 1), _mm256_set1_epi16(1));
}

template <encoding E>
struct group_scales<E, scale_layout::odd_nibbles> : offset_scales<E> {
  explicit group_scales(const std::uint8_t* block) {
    const auto* p = block + block_traits<E>.scales_at;
    const auto both = block_traits<E>.groups == 16
                          ? _mm_loadl_epi64(as128(p))
                          : _mm_cvtsi32_si128(static_cast<int>(load_u32(p)));
    const auto nibbles =
        _mm_and_si128(_mm_unpacklo_epi8(both, _mm_srli_epi16(both, 4)), _mm_set1_epi8(15));
    this->scales = odd_numbers(one_per_sixteen<E>(nibbles));
  }
};

template <encoding E>
struct group_scales<E, scale_layout::odd_top_nibbles> : offset_scales<E> {
  static_assert(block_traits<E>.groups == 8);
  explicit group_scales(const std::uint8_t* block) {
    constexpr auto& facts = block_traits<E>;
    alignas(8) std::uint8_t nibbles[8];
    for (std::uint32_t j = 0; j < 8; ++j)
      nibbles[j] =
          static_cast<std::uint8_t>(block[facts.scales_at + j * facts.scale_step + 3] >> 4);
    this->scales = odd_numbers(one_per_sixteen<E>(_mm_loadl_epi64(as128(nibbles))));
  }
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

// 2^(e - 128), as quant/half.hpp has it.
static inline float exponent_to_float(std::uint8_t e) {
  const std::uint32_t bits = e < 2 ? 0x200000u << e : e == 255 ? 0x7fc00000u : (e - 1u) << 23;
  float out;
  std::memcpy(&out, &bits, 4);
  return out;
}

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
    const auto fifth = bytes_of_bits(load_u32(p + facts.high_at));
    return _mm256_or_si256(nibbles32(codes), _mm256_and_si256(fifth, _mm256_set1_epi8(16)));
  } else if constexpr (facts.codes == code_layout::nibbles_mxfp4) {
    return look_up(_mm_load_si128(as128(quant::mxfp4_codes.data())), nibbles32(codes));
  } else {
    static_assert(facts.codes == code_layout::nibbles_iq4_nl && has_signed_codes<E>);
    return look_up(iq4_nl_table(), nibbles32(codes));
  }
}

} // namespace larql::kernels::avx2
