// Quantised blocks taken apart in AVX-512 registers: codes in element order, scales as the products
// want them. Included by the AVX-512 kernels only; quant/blocks.cpp says what each byte means.

#pragma once

#include "runtime/kernels/activations.hpp"
#include "runtime/quant/encoding.hpp"

#include <cstring>
#include <immintrin.h>

namespace larql::kernels::avx512 {

using quant::encoding;

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
static inline std::uint64_t load_u64(const std::uint8_t* p) {
  std::uint64_t x;
  std::memcpy(&x, p, 8);
  return x;
}

// ---- blocks of 256 ----------------------------------------------------------------------------

// One block taken apart. Codes are in element order, 64 to a register; unpack_codes(p, g) gives
// register g. The scale vectors repeat the
// group scales in the order that packing pairs of dot-product registers gives.
struct block256 {
  __m512i code[4];
  __m512i scale01;
  __m512i scale23;
  __m256i min; // sixteen group minima, or 32 * scale where codes are offset by 32
};

static inline __m512i k_nibbles(const std::uint8_t* p) {
  const auto both = _mm512_broadcast_i64x4(_mm256_loadu_si256(as256(p)));
  const auto shift =
      _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(4), 1); // high half: >> 4
  return _mm512_and_si512(_mm512_srlv_epi16(both, shift), _mm512_set1_epi8(15));
}

// Q4_K and Q5_K: twelve bytes hold eight scales and eight minima of six bits. Returned as bytes,
// scales first.
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

template <encoding E>
struct traits256;

template <>
struct traits256<encoding::q4_k> {
  static constexpr std::size_t bytes = 144;
  static constexpr bool has_min = true;
  static void unpack_scales(const std::uint8_t* p, block256& out) { spread_k_scales(p + 4, out); }
  static __m512i unpack_codes(const std::uint8_t* p, int g) { return k_nibbles(p + 16 + 32 * g); }
  static std::uint32_t d_bits(const std::uint8_t* p) { return load_u32(p); }
};

template <>
struct traits256<encoding::q5_k> {
  static constexpr std::size_t bytes = 176;
  static constexpr bool has_min = true;
  static void unpack_scales(const std::uint8_t* p, block256& out) { spread_k_scales(p + 4, out); }
  static __m512i unpack_codes(const std::uint8_t* p, int g) {
    const auto fifth = _mm512_broadcast_i64x4(_mm256_loadu_si256(as256(p + 16)));
    const auto bit = _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_set1_epi8(static_cast<char>(1 << (2 * g)))),
        _mm256_set1_epi8(static_cast<char>(2 << (2 * g))), 1);
    const auto low = k_nibbles(p + 48 + 32 * g);
    return _mm512_mask_add_epi8(low, _mm512_test_epi8_mask(fifth, bit), low, _mm512_set1_epi8(16));
  }
  static std::uint32_t d_bits(const std::uint8_t* p) { return load_u32(p); }
};

template <>
struct traits256<encoding::q6_k> {
  static constexpr std::size_t bytes = 210;
  static constexpr bool has_min = false;
  static __m128i scale_bytes(const std::uint8_t* p) { return _mm_loadu_si128(as128(p + 192)); }
  static __m512i unpack_codes(const std::uint8_t* p, int g) {
    // Element i: nibble i%2 of byte i/2, and bits 2(i%4) of byte 128 + i/4.
    const auto low_mask = _mm512_set1_epi8(15);
    const auto high_mask = _mm512_set1_epi8(0x30);
    // Byte j of a dword takes the bits 2j.. of that dword, placed at bits 4 and 5.
    const auto pick = _mm512_set1_epi64(0x2220'1e1c'0200'3e3c);
    const auto pairs = _mm512_cvtepu8_epi16(_mm256_loadu_si256(as256(p + 32 * g)));
    const auto both = _mm512_or_si512(pairs, _mm512_slli_epi16(pairs, 4));
    const auto high = _mm512_multishift_epi64_epi8(
        pick, _mm512_cvtepu8_epi32(_mm_loadu_si128(as128(p + 128 + 16 * g))));
    return _mm512_or_si512(_mm512_and_si512(both, low_mask), _mm512_and_si512(high, high_mask));
  }
  static void unpack_scales(const std::uint8_t* p, block256& out) {
    const auto scales = scale_bytes(p);
    const auto spread = [&](char base) {
      const auto index =
          _mm256_add_epi8(_mm256_set_epi8(7, 7, 7, 7, 3, 3, 3, 3, 6, 6, 6, 6, 2, 2, 2, 2, 5, 5, 5,
                                          5, 1, 1, 1, 1, 4, 4, 4, 4, 0, 0, 0, 0),
                          _mm256_set1_epi8(base));
      return _mm512_cvtepi8_epi16(_mm256_permutexvar_epi8(index, _mm256_castsi128_si256(scales)));
    };
    out.scale01 = spread(0);
    out.scale23 = spread(8);
    out.min = _mm256_slli_epi16(_mm256_cvtepi8_epi16(scales), 5);
  }
  static std::uint32_t d_bits(const std::uint8_t* p) {
    std::uint16_t d;
    std::memcpy(&d, p + 208, 2);
    return d;
  }
};

// ---- blocks of 32 -----------------------------------------------------------------------------

// Two blocks' codes in element order. The second may be missing (null): zeros.
template <encoding E>
struct traits32;

static inline __m512i nibbles32(const std::uint8_t* a, const std::uint8_t* b) {
  const auto low = _mm256_broadcastsi128_si256(_mm_loadu_si128(as128(a)));
  const auto high = b != nullptr ? _mm256_broadcastsi128_si256(_mm_loadu_si128(as128(b)))
                                 : _mm256_setzero_si256();
  const auto both = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
  const auto shift = _mm512_set_epi64(0x0004000400040004, 0x0004000400040004, 0, 0,
                                      0x0004000400040004, 0x0004000400040004, 0, 0);
  return _mm512_and_si512(_mm512_srlv_epi16(both, shift), _mm512_set1_epi8(15));
}

static inline __m512i fifth_bits(__m512i codes, const std::uint8_t* a, const std::uint8_t* b) {
  const auto bits = std::uint64_t{load_u32(a)} |
                    (b != nullptr ? std::uint64_t{load_u32(b)} << 32 : std::uint64_t{0});
  return _mm512_mask_add_epi8(codes, bits, codes, _mm512_set1_epi8(16));
}

static inline const std::uint8_t* at(const std::uint8_t* p, std::size_t offset) {
  return p != nullptr ? p + offset : nullptr;
}

template <>
struct traits32<encoding::q4_0> {
  static constexpr std::size_t bytes = 18;
  static constexpr int offset_shift = 3; // codes are offset by 2^3
  static constexpr bool has_min = false;
  static __m512i unpack(const std::uint8_t* a, const std::uint8_t* b) {
    return nibbles32(a + 2, at(b, 2));
  }
};

template <>
struct traits32<encoding::q5_0> {
  static constexpr std::size_t bytes = 22;
  static constexpr int offset_shift = 4;
  static constexpr bool has_min = false;
  static __m512i unpack(const std::uint8_t* a, const std::uint8_t* b) {
    return fifth_bits(nibbles32(a + 6, at(b, 6)), a + 2, at(b, 2));
  }
};

template <>
struct traits32<encoding::q5_1> {
  static constexpr std::size_t bytes = 24;
  static constexpr int offset_shift = -1; // no offset
  static constexpr bool has_min = true;
  static __m512i unpack(const std::uint8_t* a, const std::uint8_t* b) {
    return fifth_bits(nibbles32(a + 8, at(b, 8)), a + 4, at(b, 4));
  }
};

template <>
struct traits32<encoding::iq4_nl> {
  static constexpr std::size_t bytes = 18;
  static constexpr int offset_shift = 7;
  static constexpr bool has_min = false;
  static __m512i unpack(const std::uint8_t* a, const std::uint8_t* b) {
    // iq4_nl_values + 128 (quant/blocks.hpp)
    const auto table = _mm512_broadcast_i32x4(_mm_setr_epi8(
        1, 24, 45, 63, 79, 93, 106, 118, static_cast<char>(129), static_cast<char>(141),
        static_cast<char>(153), static_cast<char>(166), static_cast<char>(181),
        static_cast<char>(197), static_cast<char>(217), static_cast<char>(241)));
    return _mm512_shuffle_epi8(table, nibbles32(a + 2, at(b, 2)));
  }
};

template <>
struct traits32<encoding::q8_0> {
  static constexpr std::size_t bytes = 34;
  static constexpr int offset_shift = 7;
  static constexpr bool has_min = false;
  static __m512i unpack(const std::uint8_t* a, const std::uint8_t* b) {
    const auto low = _mm256_loadu_si256(as256(a + 2));
    const auto high = b != nullptr ? _mm256_loadu_si256(as256(b + 2)) : _mm256_setzero_si256();
    const auto both = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    return _mm512_xor_si512(both, _mm512_set1_epi8(static_cast<char>(0x80)));
  }
};

} // namespace larql::kernels::avx512
