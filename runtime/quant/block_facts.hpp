// What there is to know about the blocks of an encoding, in words that kernels can be made from.
// The facts themselves are in block_traits.hpp.
//
// Numerics  A block of 32:  weight = d * (code - offset) + min.
//           A block of 256: weight = d * scale * (code - offset) - d_min * min, with a scale (and a
//           minimum) for each of its groups.
// Source    docs/vindex-format.md, "Block encodings".

#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace larql::quant {

/// Values are internal; files and messages use the names and codes of the table.
enum class encoding : std::uint8_t {
  f32,
  f16,
  bf16,
  q8_0,
  q4_0,
  q5_0,
  q5_1,
  iq4_nl,
  q4_k,
  q5_k,
  q6_k, ///< Elements in linear order, unlike ggml's (docs/vindex-format.md, "Block encodings").
  q4_1,
  iq4_xs,
  q3_k,
  q2_k,
  mxfp4,
  iq3_s,
  iq3_xxs,
  iq2_s,
  iq2_xs,
  iq2_xxs,
  q6_k_ggml, ///< Q6_K as a GGUF has it: the same numbers in another order of bits.
};

/// How the codes of a block lie in its bytes.
enum class code_layout : std::uint8_t {
  plain_f32, ///< no codes: a number
  plain_f16,
  plain_bf16,

  // Blocks of 32.
  signed_bytes,   ///< one byte each; `offset` 128 stands for the sign
  nibbles,        ///< sixteen bytes: low nibbles are weights 0-15, high nibbles 16-31
  nibbles_fifth,  ///< the same, with a bit 4 for weight i in bit i of the four bytes before them
  nibbles_iq4_nl, ///< the same as nibbles; each is an index into iq4_nl_codes
  nibbles_mxfp4,  ///< the same as nibbles; each is an index into mxfp4_codes

  // Blocks of 256.
  k_nibbles,       ///< per 64 weights 32 bytes: low nibbles are the first 32 weights
  k_nibbles_fifth, ///< the same, with 32 bytes at high_at: bit j of byte i for weight 32j + i
  linear_six,      ///< weight i: nibble i%2 of byte i/2, bits 2(i%4) of byte high_at + i/4
  ggml_six,        ///< per 128 weights 64 bytes: low nibbles are the first 64; k_pairs at high_at
  k_pairs,         ///< per 128 weights 32 bytes: bits 2j of byte i are weight 32j + i
  k_pairs_third,   ///< the same, with a bit 2 where k_nibbles_fifth has its bit 4
  nibbles_iq4_xs,  ///< eight times nibbles_iq4_nl

  // Blocks of 256 whose weights are eight or four at a time a point of a lattice, with a sign each
  // (lattices.hpp). A code is 64 and the signed number.
  lattice_2xxs, ///< per 32 weights 8 bytes: four indices, then four times 7 bits of signs
  lattice_2xs,  ///< per 8 weights 2 bytes: 9 bits of index, 7 of signs
  lattice_2s,   ///< per 8 weights a byte of index, 32 bytes on one of signs; bits 8, 9 at high_at
  lattice_3xxs, ///< per 4 weights a byte of index; at high_at per 32 weights signs as lattice_2xxs
  lattice_3s,   ///< per 4 weights a byte of index; bit 8 at high_at, signs 8 bytes behind it
};

/// How the scales of the groups of a block of 256 lie in its bytes.
enum class scale_layout : std::uint8_t {
  none,            ///< blocks without groups
  six_bit,         ///< eight scales and eight minima of six bits in twelve bytes
  signed_bytes,    ///< sixteen scales, a signed byte each
  six_bit_signed,  ///< sixteen scales of six bits in twelve bytes; 32 is taken off
  split_six,       ///< eight of six bits: two bytes of high pairs, four of nibbles; 32 is taken off
  nibbles,         ///< sixteen bytes: low nibble the scale, high nibble the minimum
  odd_nibbles,     ///< a nibble n each, low nibbles first: 2n + 1
  odd_top_nibbles, ///< the top four bits n of four bytes, scale_step apart: 2n + 1
};

/// How a block's d is stored.
enum class d_kind : std::uint8_t {
  half,     ///< half precision, times d_factor
  exponent, ///< a byte e: 2^(e - 128)
};

inline constexpr auto no_ggml_type = ~std::uint32_t{0};

/// What a block of one encoding is. Places are in bytes from the block's first byte.
struct block_facts {
  encoding format;
  std::string_view name;    ///< in manifests and messages; never change, as the two below
  std::uint32_t layer_code; ///< in layer files; below 64 the reference's own (7 is its fp4)
  std::uint32_t ggml_type;  ///< in GGUF files (gguf_parts.cpp for Q6_K); or no_ggml_type
  std::uint32_t weights;    ///< 1, 32 or 256
  std::uint32_t bytes;
  code_layout codes;
  std::uint32_t codes_at = 0;
  std::uint32_t high_at = 0; ///< upper bits of the codes, where they lie apart
  std::uint32_t d_at = 0;
  d_kind d_is = d_kind::half;
  float d_factor = 1;       ///< a power of two
  std::uint32_t min_at = 0; ///< min or d_min, half precision; only if has_min
  bool has_min = false;
  int offset = 0;   ///< zero or a power of two; taken from each code
  int max_code = 0; ///< largest code before the offset is taken
  scale_layout scales = scale_layout::none;
  std::uint32_t scales_at = 0;
  std::uint32_t scale_step = 0; ///< from one group's scale to the next's, where they lie apart
  std::uint32_t groups = 1;     ///< of equal size, with a scale each

  /// The power of two that is the offset. @pre offset != 0
  [[nodiscard]] constexpr int offset_shift() const noexcept {
    return std::countr_zero(static_cast<unsigned>(offset));
  }
};

} // namespace larql::quant
