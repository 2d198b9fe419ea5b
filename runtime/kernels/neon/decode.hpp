// Quantised blocks taken apart in NEON registers: codes in element order with their offset taken,
// because the dot products here are of signed bytes; scales as the products want them.
// quant/block_traits.hpp says where the parts of a block lie.

#pragma once

#include "runtime/quant/block_traits.hpp"

#include <arm_neon.h>
#include <cstring>

namespace larql::kernels::neon {

using quant::block_facts;
using quant::block_traits;
using quant::code_layout;
using quant::encoding;
using quant::scale_layout;

/// Whether such blocks are known here: their layout, and codes that are signed bytes once the
/// offset is taken.
consteval bool is_supported(const block_facts& f) {
  const auto is_signed_byte = f.max_code - f.offset <= 127 && f.offset <= 128;
  if (f.d_is != quant::d_kind::half || f.d_factor != 1)
    return false;
  switch (f.codes) {
  case code_layout::plain_f32:
  case code_layout::plain_f16:
  case code_layout::plain_bf16: return true;
  case code_layout::signed_bytes:
  case code_layout::nibbles_iq4_nl: return f.offset == 128;
  case code_layout::nibbles:
  case code_layout::nibbles_fifth: return is_signed_byte;
  case code_layout::k_nibbles:
  case code_layout::k_nibbles_fifth: return is_signed_byte && f.scales == scale_layout::six_bit;
  case code_layout::linear_six:
  case code_layout::ggml_six: return is_signed_byte && f.scales == scale_layout::signed_bytes;
  case code_layout::nibbles_mxfp4:
  case code_layout::k_pairs:
  case code_layout::k_pairs_third:
  case code_layout::nibbles_iq4_xs:
  case code_layout::lattice_2xxs:
  case code_layout::lattice_2xs:
  case code_layout::lattice_2s:
  case code_layout::lattice_3xxs:
  case code_layout::lattice_3s: break;
  }
  return false;
}

static inline std::uint32_t load_u32(const std::uint8_t* p) {
  std::uint32_t x;
  std::memcpy(&x, p, 4);
  return x;
}

// Asks for the cache line `ahead` bytes after p. That may lie behind the end of the weights, where
// a pointer would not be defined.
static inline void prefetch(const std::uint8_t* p, std::size_t ahead) {
  __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(p) + ahead));
}

// The half-precision number at byte 0 of up to four blocks; zeros after `count`.
static inline float32x4_t four_halves(const std::uint8_t* p, std::size_t stride,
                                      std::size_t count) {
  std::uint16_t halves[4] = {};
  for (std::size_t i = 0; i < count && i < 4; ++i)
    std::memcpy(&halves[i], p + i * stride, 2);
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves)));
}

// Thirty-two codes.
using codes = int8x16x2_t;

template <encoding E>
static inline codes without_offset(uint8x16_t low, uint8x16_t high) {
  const auto a = vreinterpretq_s8_u8(low), b = vreinterpretq_s8_u8(high);
  if constexpr (block_traits<E>.offset == 0)
    return {{a, b}};
  const auto offset = vdupq_n_s8(static_cast<std::int8_t>(block_traits<E>.offset));
  return {{vsubq_s8(a, offset), vsubq_s8(b, offset)}};
}

// ---- blocks of 256 ----------------------------------------------------------------------------

// x with bit From of its bytes moved to bit To; what the other bits become does not matter.
template <int From, int To>
static inline uint8x16_t move_bit(uint8x16_t x) {
  if constexpr (From < To)
    return vshlq_n_u8(x, To - From);
  else if constexpr (From > To)
    return vshrq_n_u8(x, From - To);
  else
    return x;
}

// The 16 codes after code 32 * Sub + 16 * Half, before the offset is taken.
template <encoding E, int Sub, int Half>
static inline uint8x16_t k_codes16(const std::uint8_t* p) {
  constexpr auto& facts = block_traits<E>;
  const auto bytes = vld1q_u8(p + facts.codes_at + 32 * (Sub / 2) + 16 * Half);
  const auto low = Sub % 2 == 0 ? vandq_u8(bytes, vdupq_n_u8(15)) : vshrq_n_u8(bytes, 4);
  if constexpr (facts.codes == code_layout::k_nibbles)
    return low;
  else
    return vbslq_u8(vdupq_n_u8(16), move_bit<Sub, 4>(vld1q_u8(p + facts.high_at + 16 * Half)), low);
}

static inline uint8x16x2_t six_bit_codes(const std::uint8_t* low_bits,
                                         const std::uint8_t* high_bits) {
  const auto pairs = vld1q_u8(low_bits);
  const auto even = vandq_u8(pairs, vdupq_n_u8(15)), odd = vshrq_n_u8(pairs, 4);
  const auto quads = vcombine_u8(vld1_u8(high_bits), vdup_n_u8(0));
  const auto first = uint8x16_t{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
  // Bits 2k and 2k + 1 of a byte go to bits 4 and 5 of the k-th of its four codes.
  const auto shift = int8x16_t{4, 2, 0, -2, 4, 2, 0, -2, 4, 2, 0, -2, 4, 2, 0, -2};
  const auto upper = vdupq_n_u8(0x30);
  const auto a = vshlq_u8(vqtbl1q_u8(quads, first), shift);
  const auto b = vshlq_u8(vqtbl1q_u8(quads, vaddq_u8(first, vdupq_n_u8(4))), shift);
  return {{vbslq_u8(upper, a, vzip1q_u8(even, odd)), vbslq_u8(upper, b, vzip2q_u8(even, odd))}};
}

// The 16 codes after code 32 * Sub + 16 * Half.
template <encoding E, int Sub, int Half>
static inline uint8x16_t ggml_six_codes16(const std::uint8_t* p) {
  constexpr auto& facts = block_traits<E>;
  const auto bytes = vld1q_u8(p + facts.codes_at + 64 * (Sub / 4) + 32 * (Sub % 2) + 16 * Half);
  const auto low = Sub % 4 < 2 ? vandq_u8(bytes, vdupq_n_u8(15)) : vshrq_n_u8(bytes, 4);
  const auto high = vld1q_u8(p + facts.high_at + 32 * (Sub / 4) + 16 * Half);
  return vbslq_u8(vdupq_n_u8(0x30), move_bit<2 * (Sub % 4), 4>(high), low);
}

// The 32 codes of sub-block Sub.
template <encoding E, int Sub>
static inline codes codes256(const std::uint8_t* p) {
  constexpr auto& facts = block_traits<E>;
  if constexpr (facts.codes == code_layout::linear_six) {
    const auto c = six_bit_codes(p + facts.codes_at + 16 * Sub, p + facts.high_at + 8 * Sub);
    return without_offset<E>(c.val[0], c.val[1]);
  } else if constexpr (facts.codes == code_layout::ggml_six) {
    return without_offset<E>(ggml_six_codes16<E, Sub, 0>(p), ggml_six_codes16<E, Sub, 1>(p));
  } else {
    return without_offset<E>(k_codes16<E, Sub, 0>(p), k_codes16<E, Sub, 1>(p));
  }
}

// The scales of a block's groups, four to a register, and what the sums of 32 inputs each are
// multiplied with: the minima.
template <encoding E, scale_layout S = block_traits<E>.scales>
struct group_scales;

template <encoding E>
struct group_scales<E, scale_layout::six_bit> {
  static constexpr int per_sub = 1; // groups of 32 codes
  int32x4_t scale[2];
  uint8x8_t minima;

  explicit group_scales(const std::uint8_t* block) {
    const auto* p = block + block_traits<E>.scales_at;
    constexpr auto six = 0x3f3f3f3fu, four = 0x0f0f0f0fu, two = 0x03030303u;
    const auto a = load_u32(p), b = load_u32(p + 4), c = load_u32(p + 8);
    const auto joined = [](std::uint32_t low, std::uint32_t high) {
      return vcreate_u8(std::uint64_t{high} << 32 | low);
    };
    const auto scales = vmovl_u8(joined(a & six, (c & four) | ((a >> 6 & two) << 4)));
    minima = joined(b & six, (c >> 4 & four) | ((b >> 6 & two) << 4));
    scale[0] = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(scales)));
    scale[1] = vreinterpretq_s32_u32(vmovl_high_u16(scales));
  }
};

template <encoding E>
struct group_scales<E, scale_layout::signed_bytes> {
  static_assert(!block_traits<E>.has_min);
  static constexpr int per_sub = 2; // groups of 16 codes
  int32x4_t scale[4];

  explicit group_scales(const std::uint8_t* block) {
    const auto bytes =
        vld1q_s8(reinterpret_cast<const std::int8_t*>(block + block_traits<E>.scales_at));
    const auto low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
    scale[0] = vmovl_s16(vget_low_s16(low));
    scale[1] = vmovl_high_s16(low);
    scale[2] = vmovl_s16(vget_low_s16(high));
    scale[3] = vmovl_high_s16(high);
  }
};

// ---- blocks of 32 -----------------------------------------------------------------------------

static inline uint8x16x2_t nibbles32(const std::uint8_t* p) {
  const auto bytes = vld1q_u8(p);
  return {{vandq_u8(bytes, vdupq_n_u8(15)), vshrq_n_u8(bytes, 4)}};
}

// Bit 4 of sixteen codes from the bits of two bytes.
static inline uint8x16_t with_fifth_bits(uint8x16_t low, const std::uint8_t* p) {
  const auto mask = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
  const auto bits = vcombine_u8(vdup_n_u8(p[0]), vdup_n_u8(p[1]));
  return vbslq_u8(vdupq_n_u8(16), vtstq_u8(bits, mask), low);
}

template <encoding E>
static inline codes codes32(const std::uint8_t* p) {
  constexpr auto& facts = block_traits<E>;
  const auto* at = p + facts.codes_at;
  if constexpr (facts.codes == code_layout::signed_bytes) {
    const auto* bytes = reinterpret_cast<const std::int8_t*>(at);
    return {{vld1q_s8(bytes), vld1q_s8(bytes + 16)}};
  } else {
    const auto n = nibbles32(at);
    if constexpr (facts.codes == code_layout::nibbles) {
      return without_offset<E>(n.val[0], n.val[1]);
    } else if constexpr (facts.codes == code_layout::nibbles_fifth) {
      return without_offset<E>(with_fifth_bits(n.val[0], p + facts.high_at),
                               with_fifth_bits(n.val[1], p + facts.high_at + 2));
    } else {
      static_assert(facts.codes == code_layout::nibbles_iq4_nl);
      const auto table = vreinterpretq_s8_u8(
          veorq_u8(vld1q_u8(quant::iq4_nl_codes.data()), vdupq_n_u8(0x80))); // less 128
      return {{vqtbl1q_s8(table, n.val[0]), vqtbl1q_s8(table, n.val[1])}};
    }
  }
}

} // namespace larql::kernels::neon
