// Registers of 32-bit lanes with a weight row in each, for tile_blocks.hpp: AVX2. The unnamed
// namespace keeps what is made of it inside the files of one instruction set.

#pragma once

#include "runtime/kernels/avx2/simd16.hpp"

#include <cstring>
#include <immintrin.h>

namespace larql::kernels {

namespace {

struct row_lanes_avx2 {
  using ints = __m256i;
  using floats = __m256;
  static constexpr std::size_t rows = 8;
  static constexpr std::size_t bytes = 32;
  /// Registers of rows, and inputs, of one step: with more, the sums would not fit the registers.
  static constexpr int tiles = 2, inputs = 4;

  /// Of plain floats.
  using lanes16 = simd16_avx2;
  static constexpr std::size_t float_rows = 3, float_inputs = 2;

  // ---- memory ----
  static ints splat(std::int32_t x) { return _mm256_set1_epi32(x); }
  static floats splat_float(float x) { return _mm256_set1_ps(x); }
  static ints splat_dword(const void* p) {
    std::int32_t x;
    std::memcpy(&x, p, 4);
    return _mm256_set1_epi32(x);
  }
  static void store(float* p, floats a) { _mm256_storeu_ps(p, a); }

  static ints two_rows(const std::uint8_t* p, std::size_t apart) {
    const auto load = [](const std::uint8_t* at) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    };
    return _mm256_set_m128i(load(p + apart), load(p));
  }
  static void interleave(const ints* z, ints* out) {
    const auto ab = _mm256_unpacklo_epi32(z[0], z[1]), ab2 = _mm256_unpackhi_epi32(z[0], z[1]);
    const auto cd = _mm256_unpacklo_epi32(z[2], z[3]), cd2 = _mm256_unpackhi_epi32(z[2], z[3]);
    out[0] = _mm256_unpacklo_epi64(ab, cd);
    out[1] = _mm256_unpackhi_epi64(ab, cd);
    out[2] = _mm256_unpacklo_epi64(ab2, cd2);
    out[3] = _mm256_unpackhi_epi64(ab2, cd2);
  }
  /// out[k] lane r = dword k of the sixteen bytes at base + r * stride.
  static void gather_16_bytes(const std::uint8_t* base, std::size_t stride, ints* out) {
    ints z[4];
    for (std::size_t g = 0; g < 4; ++g)
      z[g] = two_rows(base + g * stride, 4 * stride);
    interleave(z, out);
  }
  /// The same, with the even bytes of each eight before its odd ones.
  static void gather_16_bytes_even_first(const std::uint8_t* base, std::size_t stride, ints* out) {
    const auto order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15));
    ints z[4];
    for (std::size_t g = 0; g < 4; ++g)
      z[g] = _mm256_shuffle_epi8(two_rows(base + g * stride, 4 * stride), order);
    interleave(z, out);
  }
  /// Of each sixteen inputs, every fourth one together.
  static void order_inputs(const std::int8_t* q, std::int8_t* out) {
    const auto order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const auto in = _mm256_loadu_si256(reinterpret_cast<const ints*>(q));
    _mm256_store_si256(reinterpret_cast<ints*>(out), _mm256_shuffle_epi8(in, order));
  }

  // ---- bits ----
  static ints bit_and(ints a, ints b) { return _mm256_and_si256(a, b); }
  static ints bit_or(ints a, ints b) { return _mm256_or_si256(a, b); }
  static ints bit_xor(ints a, ints b) { return _mm256_xor_si256(a, b); }
  static ints shift_left(ints a, int n) { return _mm256_slli_epi32(a, n); }
  static ints shift_right(ints a, int n) { return _mm256_srli_epi32(a, n); }
  static ints low_nibbles(ints a) { return bit_and(a, splat(0x0f0f0f0f)); }
  static ints high_nibbles(ints a) { return low_nibbles(shift_right(a, 4)); }
  static ints min_bytes(ints a, ints b) { return _mm256_min_epu8(a, b); }
  static ints look_up(const std::uint8_t* table, ints index) {
    return _mm256_shuffle_epi8(
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table))),
        index);
  }
  // Each dword takes bytes of its own: byte b stands for byte b of it, 0x80 for a zero.
  static ints choose_bytes(ints a, std::uint32_t bytes_wanted) {
    const auto of_dword =
        _mm256_broadcastsi128_si256(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    return _mm256_shuffle_epi8(a, bit_or(of_dword, splat(static_cast<std::int32_t>(bytes_wanted))));
  }
  static ints byte_four_times(ints a, int b) {
    return choose_bytes(a, 0x01010101u * static_cast<unsigned>(b));
  }
  /// Byte b of each dword in both halves of it, without sign.
  static ints byte_twice(ints a, int b) {
    return choose_bytes(a, 0x80008000u | 0x00010001u * static_cast<unsigned>(b));
  }
  static ints signed_byte(ints a, int b) {
    return _mm256_srai_epi32(_mm256_slli_epi32(a, 24 - 8 * b), 24);
  }
  /// The low halves of a and b, in the low and the high halves of the result.
  static ints pair16(ints a, ints b) {
    return _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xaa);
  }

  // ---- sums of products ----
  // Two products of a code and an input are added to sixteen bits, and such sums as long as they
  // fit; then to 32 bits, times a scale.

  /// Dwords of codes up to `max_code` whose products may be added.
  static constexpr int dwords_in_sum(int max_code) {
    const auto fit = 32767 / (2 * max_code * 127);
    return fit >= 8 ? 8 : fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
  }
  /// Planes of four bits that larger codes are taken apart into.
  static constexpr int planes(int max_code) { return 2 * max_code * 127 <= 32767 ? 1 : 2; }
  static ints products(ints code, ints a) { return _mm256_maddubs_epi16(code, a); }
  static ints add_products(ints sum, ints code, ints a) {
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(code, a));
    // GCC would change the order of the additions and keep every product until the end.
    asm("" : "+x"(sum));
    return sum;
  }
  static ints scale_of_byte(ints a, int b) { return byte_twice(a, b); }
  static ints scale_of(ints a) { return pair16(a, a); }
  static ints add_scaled(ints total, ints sum, ints scale) {
    return add_products16(total, sum, scale);
  }
  static ints add_plane(ints total, ints sum, int plane) {
    return add_products16(total, sum, _mm256_set1_epi16(plane == 0 ? 1 : 16));
  }
  static ints add_products16(ints total, ints a, ints b) {
    return _mm256_add_epi32(total, _mm256_madd_epi16(a, b));
  }

  // ---- floats ----
  static ints sub(ints a, ints b) { return _mm256_sub_epi32(a, b); }
  static floats to_floats(ints a) { return _mm256_cvtepi32_ps(a); }
  /// The half-precision number in the low half of each dword.
  static floats from_halves(ints a) {
    const auto low = bit_and(a, splat(0xffff));
    const auto packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
  }
  static floats add(floats a, floats b) { return _mm256_add_ps(a, b); }
  static floats mul(floats a, floats b) { return _mm256_mul_ps(a, b); }
  static floats fma(floats a, floats b, floats c) { return _mm256_fmadd_ps(a, b, c); }
  static floats fnma(floats a, floats b, floats c) { return _mm256_fnmadd_ps(a, b, c); }
};

} // namespace

} // namespace larql::kernels
