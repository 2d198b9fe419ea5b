// Quantised blocks taken apart in AVX-512 registers: codes in element order, scales as the products
// want them. Included by the AVX-512 kernels only; quant/block_traits.hpp says where the parts of a
// block lie.

#pragma once

#include "runtime/kernels/activations.hpp"
#include "runtime/kernels/avx512/decode_lattice.hpp"
#include "runtime/kernels/tile_transpose.hpp"
#include "runtime/quant/block_traits.hpp"

#include <cstring>
#include <immintrin.h>

namespace larql::kernels::avx512 {

using quant::block_facts;
using quant::block_traits;
using quant::code_layout;
using quant::encoding;
using quant::scale_layout;

/// How far ahead of the weights in use the next ones are asked for: what one core reads in about
/// the time that memory takes to answer.
inline constexpr std::size_t row_prefetch_bytes = 4096;

// The address `ahead` bytes after p. It may lie behind the end of the weights, where a pointer
// would not be defined.
static inline std::uintptr_t address(const std::uint8_t* p, std::size_t ahead) {
  return reinterpret_cast<std::uintptr_t>(p) + ahead;
}

// Asks for the `Bytes` bytes at an address, rounded up to cache lines. What is not mapped is
// ignored.
template <std::size_t Bytes>
[[gnu::always_inline]] static inline void prefetch(std::uintptr_t first) {
#pragma GCC unroll 32
  for (std::size_t at = 0; at < Bytes; at += 64)
    _mm_prefetch(reinterpret_cast<const char*>(first + at), _MM_HINT_T0);
}

static inline const __m128i* as128(const void* p) {
  return static_cast<const __m128i*>(p);
}
static inline const __m256i* as256(const void* p) {
  return static_cast<const __m256i*>(p);
}

static inline std::uint32_t load_u32(const std::uint8_t* p) {
  std::uint32_t x;
  std::memcpy(&x, p, 4);
  return x;
}

// Sixteen bytes from each of `count` (1 to 4) places `step` bytes apart; zeros for the others.
static inline __m512i load_lanes128(const std::uint8_t* p, std::size_t step, std::size_t count) {
  const auto load = [&](std::size_t i) { return _mm_loadu_si128(as128(p + i * step)); };
  auto z = _mm512_zextsi128_si512(load(0));
  if (count > 1)
    z = _mm512_mask_broadcast_i32x4(z, 0x00f0, load(1));
  if (count > 2)
    z = _mm512_mask_broadcast_i32x4(z, 0x0f00, load(2));
  if (count > 3)
    z = _mm512_mask_broadcast_i32x4(z, 0xf000, load(3));
  return z;
}

/// Codes that are multiplied with two parts of the inputs.
struct code_pair {
  __m512i first;
  __m512i second;
};

// The low halves of all bytes, and the high ones.
static inline code_pair split_nibbles(__m512i both) {
  const auto four = _mm512_set1_epi8(15);
  return {_mm512_and_si512(both, four), _mm512_and_si512(_mm512_srli_epi16(both, 4), four)};
}

// ---- blocks of 256 ----------------------------------------------------------------------------

/// Whether sums of four products fit sixteen bits, to which they are then packed. Otherwise they
/// are multiplied with their scales in 32.
consteval bool packs_sums(const block_facts& f) {
  return 4 * f.max_code * 127 <= 32767;
}

// One block taken apart. Codes are in element order, 64 to a register; unpack_codes(p, g) gives
// register g. The scale vectors repeat the group scales in the order that packing pairs of
// dot-product registers gives; wide ones stand beside the sums of their register.
struct block256 {
  __m512i code[4];
  __m512i scale01;
  __m512i scale23;
  __m512i wide_scale[4]; // instead of these, where sums are not packed
  __m256i min;           // sixteen group minima, or offset times scale where codes have an offset
};

static inline __m512i k_nibbles(const std::uint8_t* p) {
  const auto both = _mm512_broadcast_i64x4(_mm256_loadu_si256(as256(p)));
  const auto shift =
      _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(4), 1); // high half: >> 4
  return _mm512_and_si512(_mm512_srlv_epi16(both, shift), _mm512_set1_epi8(15));
}

// The eight scales and eight minima of scale_layout::six_bit as bytes, scales first.
static inline __m128i k_scale_bytes(const std::uint8_t* p) {
  constexpr auto six = 0x3f3f3f3fu, four = 0x0f0f0f0fu, two = 0x03030303u;
  const auto a = load_u32(p), b = load_u32(p + 4), c = load_u32(p + 8);
  const auto scale_high = (c & four) | ((a >> 6 & two) << 4);
  const auto min_high = (c >> 4 & four) | ((b >> 6 & two) << 4);
  const auto scales = static_cast<long long>(std::uint64_t{scale_high} << 32 | (a & six));
  const auto mins = static_cast<long long>(std::uint64_t{min_high} << 32 | (b & six));
  return _mm_set_epi64x(mins, scales);
}

static inline void spread_k_scales(const std::uint8_t* p, block256& out) {
  const auto bytes = _mm512_castsi128_si512(k_scale_bytes(p));
  // 16-bit lane i takes byte index[2i]; the mask clears its upper byte.
  const auto spread = [&](__m512i index) {
    return _mm512_maskz_permutexvar_epi8(0x5555555555555555u, index, bytes);
  };
  const auto first = _mm512_set_epi16(3, 3, 3, 3, 1, 1, 1, 1, 3, 3, 3, 3, 1, 1, 1, 1, 2, 2, 2, 2, 0,
                                      0, 0, 0, 2, 2, 2, 2, 0, 0, 0, 0);
  out.scale01 = spread(first);
  out.scale23 = spread(_mm512_add_epi16(first, _mm512_set1_epi16(4)));
  out.min = _mm512_castsi512_si256(spread(_mm512_castsi256_si512(
      _mm256_set_epi16(15, 15, 14, 14, 13, 13, 12, 12, 11, 11, 10, 10, 9, 9, 8, 8))));
}

// 2n + 1 of nibbles n.
static inline __m128i odd_numbers(__m128i nibbles) {
  return _mm_or_si128(_mm_slli_epi16(nibbles, 1), _mm_set1_epi8(1));
}

// The scales of all groups, a signed byte each.
template <encoding E>
static inline __m128i scale_bytes(const std::uint8_t* block) {
  constexpr auto& facts = block_traits<E>;
  const auto* p = block + facts.scales_at;
  const auto four = _mm_set1_epi8(15);
  if constexpr (facts.scales == scale_layout::nibbles) {
    return _mm_and_si128(_mm_loadu_si128(as128(p)), four);
  } else if constexpr (facts.scales == scale_layout::six_bit_signed) {
    const auto both = _mm_loadl_epi64(as128(p));
    const auto low = _mm_and_si128(_mm_unpacklo_epi64(both, _mm_srli_epi16(both, 4)), four);
    const auto pairs = _mm_and_si128( // dword i: bits 2i of the four bytes
        _mm_srlv_epi32(_mm_set1_epi32(static_cast<int>(load_u32(p + 8))),
                       _mm_setr_epi32(0, 2, 4, 6)),
        _mm_set1_epi8(3));
    return _mm_sub_epi8(_mm_or_si128(low, _mm_slli_epi16(pairs, 4)), _mm_set1_epi8(32));
  } else if constexpr (facts.scales == scale_layout::split_six) {
    // Two bytes of pairs, then four of nibbles. Byte j takes the bits from its place on: nibble j
    // at the bottom, pair j four bits below its place, so that it is above the nibble.
    const auto all = _mm_loadl_epi64(as128(p));
    const auto low =
        _mm_and_si128(_mm_multishift_epi64_epi8(_mm_set1_epi64x(0x2c28'2420'1c18'1410), all), four);
    const auto high =
        _mm_and_si128(_mm_multishift_epi64_epi8(_mm_set1_epi64x(0x0a08'0604'0200'3e3c), all),
                      _mm_set1_epi8(0x30));
    return _mm_sub_epi8(_mm_or_si128(low, high), _mm_set1_epi8(32));
  } else if constexpr (facts.scales == scale_layout::odd_nibbles) {
    const auto both = facts.groups == 16 ? _mm_loadl_epi64(as128(p))
                                         : _mm_cvtsi32_si128(static_cast<int>(load_u32(p)));
    return odd_numbers(_mm_and_si128(_mm_unpacklo_epi8(both, _mm_srli_epi16(both, 4)), four));
  } else if constexpr (facts.scales == scale_layout::odd_top_nibbles) {
    static_assert(facts.groups == 8 && (facts.scale_step == 4 || facts.scale_step == 8));
    if constexpr (facts.scale_step == 4)
      return odd_numbers(_mm256_cvtepi32_epi8(_mm256_srli_epi32(_mm256_loadu_si256(as256(p)), 28)));
    else // the four bytes before them
      return odd_numbers(_mm512_cvtepi64_epi8(_mm512_srli_epi64(_mm512_loadu_si512(p - 4), 60)));
  } else {
    static_assert(facts.scales == scale_layout::signed_bytes);
    return _mm_loadu_si128(as128(p));
  }
}

// The minima of scale_layout::nibbles.
static inline __m128i minimum_bytes(const std::uint8_t* p) {
  return _mm_and_si128(_mm_srli_epi16(_mm_loadu_si128(as128(p)), 4), _mm_set1_epi8(15));
}

static inline void spread_byte_scales(__m128i scales, block256& out) {
  const auto spread = [&](char base) {
    const auto index =
        _mm256_add_epi8(_mm256_set_epi8(7, 7, 7, 7, 3, 3, 3, 3, 6, 6, 6, 6, 2, 2, 2, 2, 5, 5, 5, 5,
                                        1, 1, 1, 1, 4, 4, 4, 4, 0, 0, 0, 0),
                        _mm256_set1_epi8(base));
    return _mm512_cvtepi8_epi16(_mm256_permutexvar_epi8(index, _mm256_castsi128_si256(scales)));
  };
  out.scale01 = spread(0);
  out.scale23 = spread(8);
}

// The scales of groups beside the sums of their codes, Each to a register: halves or quarters of
// it.
template <int Each>
static inline void spread_wide_scales(__m128i scales, block256& out) {
  const auto all = _mm512_cvtepi8_epi32(scales);
  const auto lanes = Each == 2 ? _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
                               : _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  for (int g = 0; g < 4; ++g)
    out.wide_scale[g] =
        _mm512_permutexvar_epi32(_mm512_add_epi32(lanes, _mm512_set1_epi32(Each * g)), all);
}

// Wide: groups whose sums are in one register, where sums are not packed.
template <encoding E, int Wide = static_cast<int>(block_traits<E>.groups) / 4>
static inline void unpack_scales(const std::uint8_t* block, block256& out) {
  constexpr auto& facts = block_traits<E>;
  const auto* p = block + facts.scales_at;
  if constexpr (facts.scales == scale_layout::six_bit) {
    static_assert(facts.has_min && facts.offset == 0);
    spread_k_scales(p, out);
  } else {
    auto scales = scale_bytes<E>(block);
    if constexpr (packs_sums(facts)) {
      static_assert(facts.groups == 16);
      spread_byte_scales(scales, out);
    } else {
      spread_wide_scales<Wide>(scales, out);
      if constexpr (facts.groups == 8) // one for each sum of sixteen inputs
        scales = _mm_unpacklo_epi8(scales, scales);
    }
    if constexpr (facts.has_min) {
      out.min = _mm256_cvtepu8_epi16(minimum_bytes(p));
    } else {
      static_assert(128 * facts.offset <= 32767, "a scale times the offset has sixteen bits");
      out.min = _mm256_slli_epi16(_mm256_cvtepi8_epi16(scales), facts.offset_shift());
    }
  }
}

// The same of pairs of bits: four groups share 32 bytes.
static inline __m512i k_pairs(const std::uint8_t* p, int g) {
  const auto bytes = _mm512_broadcast_i64x4(_mm256_loadu_si256(as256(p + 32 * (g / 2))));
  const auto first = static_cast<short>(4 * (g % 2));
  const auto shift = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set1_epi16(first)),
                                        _mm256_set1_epi16(static_cast<short>(first + 2)), 1);
  return _mm512_and_si512(_mm512_srlv_epi16(bytes, shift), _mm512_set1_epi8(3));
}

// Adds `value` to codes 64g to 64g + 63 whose bit is set: bit j of byte i for code 32j + i.
static inline __m512i add_high_bits(__m512i low, const std::uint8_t* p, int g, char value) {
  const auto high = _mm512_broadcast_i64x4(_mm256_loadu_si256(as256(p)));
  const auto bit =
      _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_set1_epi8(static_cast<char>(1 << (2 * g)))),
                         _mm256_set1_epi8(static_cast<char>(2 << (2 * g))), 1);
  return _mm512_mask_add_epi8(low, _mm512_test_epi8_mask(high, bit), low, _mm512_set1_epi8(value));
}

static inline __m512i iq4_nl_table() {
  return _mm512_broadcast_i32x4(_mm_load_si128(as128(quant::iq4_nl_codes.data())));
}

// Two sub-blocks of sixteen bytes each: low nibbles, then high ones.
static inline __m512i iq4_xs_codes(const std::uint8_t* p) {
  const auto halves =
      _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 1, 0, 1, 2, 3, 2, 3),
                               _mm512_castsi256_si512(_mm256_loadu_si256(as256(p))));
  const auto shift = _mm512_setr_epi64(0, 0, 0x0004000400040004, 0x0004000400040004, 0, 0,
                                       0x0004000400040004, 0x0004000400040004);
  return _mm512_shuffle_epi8(
      iq4_nl_table(), _mm512_and_si512(_mm512_srlv_epi16(halves, shift), _mm512_set1_epi8(15)));
}

// 64 codes from 64 * g on, in element order. Not of the lattices.
template <encoding E>
static inline __m512i unpack_codes(const std::uint8_t* p, int g) {
  constexpr auto& facts = block_traits<E>;
  const auto *codes = p + facts.codes_at, *high_bits = p + facts.high_at;
  if constexpr (facts.codes == code_layout::k_nibbles) {
    return k_nibbles(codes + 32 * g);
  } else if constexpr (facts.codes == code_layout::k_nibbles_fifth) {
    return add_high_bits(k_nibbles(codes + 32 * g), high_bits, g, 16);
  } else if constexpr (facts.codes == code_layout::k_pairs) {
    return k_pairs(codes, g);
  } else if constexpr (facts.codes == code_layout::k_pairs_third) {
    return add_high_bits(k_pairs(codes, g), high_bits, g, 4);
  } else if constexpr (facts.codes == code_layout::nibbles_iq4_xs) {
    return iq4_xs_codes(codes + 32 * g);
  } else if constexpr (facts.codes == code_layout::ggml_six) {
    const auto both = _mm512_loadu_si512(codes + 64 * (g / 2));
    const auto low =
        _mm512_and_si512(g % 2 == 0 ? both : _mm512_srli_epi16(both, 4), _mm512_set1_epi8(15));
    return _mm512_or_si512(low, _mm512_slli_epi16(k_pairs(high_bits, g), 4));
  } else {
    static_assert(facts.codes == code_layout::linear_six);
    const auto low_mask = _mm512_set1_epi8(15);
    const auto high_mask = _mm512_set1_epi8(0x30);
    // Byte j of a dword takes the bits 2j.. of that dword, placed at bits 4 and 5.
    const auto select = _mm512_set1_epi64(0x2220'1e1c'0200'3e3c);
    const auto pairs = _mm512_cvtepu8_epi16(_mm256_loadu_si256(as256(codes + 32 * g)));
    const auto both = _mm512_or_si512(pairs, _mm512_slli_epi16(pairs, 4));
    const auto high = _mm512_multishift_epi64_epi8(
        select, _mm512_cvtepu8_epi32(_mm_loadu_si128(as128(high_bits + 16 * g))));
    return _mm512_or_si512(_mm512_and_si512(both, low_mask), _mm512_and_si512(high, high_mask));
  }
}

// All of a block, 64 to a register.
template <encoding E>
static inline void unpack_all_codes(const std::uint8_t* p, __m512i* code) {
  if constexpr (block_traits<E>.codes >= code_layout::lattice_2xxs)
    lattice_codes_of_block<E>(p, code);
  else
    for (int g = 0; g < 4; ++g)
      code[g] = unpack_codes<E>(p, g);
}

// A block of IQ4_XS for scaled_halves.
template <encoding E>
static inline void unpack_halves(const std::uint8_t* p, block256& out) {
  constexpr auto& facts = block_traits<E>;
  static_assert(facts.codes == code_layout::nibbles_iq4_xs);
  for (int h = 0; h < 2; ++h) {
    const auto index = split_nibbles(_mm512_loadu_si512(p + facts.codes_at + 64 * h));
    out.code[2 * h] = _mm512_shuffle_epi8(iq4_nl_table(), index.first);
    out.code[2 * h + 1] = _mm512_shuffle_epi8(iq4_nl_table(), index.second);
  }
  unpack_scales<E, 4>(p, out);
}

// d | d_min << 16
template <encoding E>
static inline std::uint32_t d_bits(const std::uint8_t* p) {
  constexpr auto& facts = block_traits<E>;
  if constexpr (facts.has_min) {
    static_assert(facts.min_at == facts.d_at + 2);
    return load_u32(p + facts.d_at);
  } else {
    std::uint16_t d;
    std::memcpy(&d, p + facts.d_at, 2);
    return d;
  }
}

} // namespace larql::kernels::avx512
