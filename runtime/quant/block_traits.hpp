// The number formats of weights, and the facts about each that every kernel reads: how many weights
// a block has, where its parts lie, what a code stands for. One table; nothing else repeats it.
//
// Numerics  A block of 32:  weight = d * (code - offset) + min.
//           A block of 256: weight = d * scale * (code - offset) - d_min * min, with a scale (and a
//           minimum) for each of its groups.
// Source    docs/vindex-format.md, "Block encodings". All but q6_k are byte-identical to ggml's.
// Threads   Constants.

#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace larql::quant {

/// Values are internal; files and messages use the names and codes of the table below.
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

  // Blocks of 256.
  k_nibbles,       ///< per 64 weights 32 bytes: low nibbles are the first 32 weights
  k_nibbles_fifth, ///< the same, with 32 bytes at high_at: bit j of byte i for weight 32j + i
  linear_six,      ///< weight i: nibble i%2 of byte i/2, bits 2(i%4) of byte high_at + i/4
};

/// How the scales of the groups of a block of 256 lie in its bytes.
enum class scale_layout : std::uint8_t {
  none,         ///< blocks without groups
  six_bit,      ///< eight scales and eight minima of six bits in twelve bytes
  signed_bytes, ///< sixteen scales, a signed byte each
};

/// What a block of one encoding is. Places are in bytes from the block's first byte.
struct block_facts {
  encoding format;
  std::string_view name;    ///< in manifests and messages; never change, as the two below
  std::uint32_t layer_code; ///< in layer files; below 64 the reference's own (7 is its fp4)
  std::uint32_t ggml_type;  ///< in GGUF files
  std::uint32_t weights;    ///< 1, 32 or 256
  std::uint32_t bytes;
  code_layout codes;
  std::uint32_t codes_at = 0;
  std::uint32_t high_at = 0; ///< upper bits of the codes, where they lie apart
  std::uint32_t d_at = 0;    ///< half precision
  std::uint32_t min_at = 0;  ///< min or d_min, half precision; only if has_min
  bool has_min = false;
  int offset = 0;   ///< zero or a power of two; taken from each code
  int max_code = 0; ///< largest code before the offset is taken
  scale_layout scales = scale_layout::none;
  std::uint32_t scales_at = 0;
  std::uint32_t groups = 1; ///< of equal size, with a scale each

  /// The power of two that is the offset. @pre offset != 0
  [[nodiscard]] constexpr int offset_shift() const noexcept {
    return std::countr_zero(static_cast<unsigned>(offset));
  }
};

/// In the order of `encoding`.
inline constexpr block_facts block_table[] = {
    {.format = encoding::f32,
     .name = "F32",
     .layer_code = 0,
     .ggml_type = 0,
     .weights = 1,
     .bytes = 4,
     .codes = code_layout::plain_f32},
    {.format = encoding::f16,
     .name = "F16",
     .layer_code = 1,
     .ggml_type = 1,
     .weights = 1,
     .bytes = 2,
     .codes = code_layout::plain_f16},
    {.format = encoding::bf16,
     .name = "BF16",
     .layer_code = 2,
     .ggml_type = 30,
     .weights = 1,
     .bytes = 2,
     .codes = code_layout::plain_bf16},
    {.format = encoding::q8_0,
     .name = "Q8_0",
     .layer_code = 6,
     .ggml_type = 8,
     .weights = 32,
     .bytes = 34,
     .codes = code_layout::signed_bytes,
     .codes_at = 2,
     .offset = 128,
     .max_code = 255},
    {.format = encoding::q4_0,
     .name = "Q4_0",
     .layer_code = 3,
     .ggml_type = 2,
     .weights = 32,
     .bytes = 18,
     .codes = code_layout::nibbles,
     .codes_at = 2,
     .offset = 8,
     .max_code = 15},
    {.format = encoding::q5_0,
     .name = "Q5_0",
     .layer_code = 64,
     .ggml_type = 6,
     .weights = 32,
     .bytes = 22,
     .codes = code_layout::nibbles_fifth,
     .codes_at = 6,
     .high_at = 2,
     .offset = 16,
     .max_code = 31},
    {.format = encoding::q5_1,
     .name = "Q5_1",
     .layer_code = 65,
     .ggml_type = 7,
     .weights = 32,
     .bytes = 24,
     .codes = code_layout::nibbles_fifth,
     .codes_at = 8,
     .high_at = 4,
     .min_at = 2,
     .has_min = true,
     .max_code = 31},
    {.format = encoding::iq4_nl,
     .name = "IQ4_NL",
     .layer_code = 66,
     .ggml_type = 20,
     .weights = 32,
     .bytes = 18,
     .codes = code_layout::nibbles_iq4_nl,
     .codes_at = 2,
     .offset = 128,
     .max_code = 241},
    {.format = encoding::q4_k,
     .name = "Q4_K",
     .layer_code = 4,
     .ggml_type = 12,
     .weights = 256,
     .bytes = 144,
     .codes = code_layout::k_nibbles,
     .codes_at = 16,
     .min_at = 2,
     .has_min = true,
     .max_code = 15,
     .scales = scale_layout::six_bit,
     .scales_at = 4,
     .groups = 8},
    {.format = encoding::q5_k,
     .name = "Q5_K",
     .layer_code = 67,
     .ggml_type = 13,
     .weights = 256,
     .bytes = 176,
     .codes = code_layout::k_nibbles_fifth,
     .codes_at = 48,
     .high_at = 16,
     .min_at = 2,
     .has_min = true,
     .max_code = 31,
     .scales = scale_layout::six_bit,
     .scales_at = 4,
     .groups = 8},
    {.format = encoding::q6_k,
     .name = "Q6_K",
     .layer_code = 5,
     .ggml_type = 14,
     .weights = 256,
     .bytes = 210,
     .codes = code_layout::linear_six,
     .codes_at = 0,
     .high_at = 128,
     .d_at = 208,
     .offset = 32,
     .max_code = 63,
     .scales = scale_layout::signed_bytes,
     .scales_at = 192,
     .groups = 16},
};
inline constexpr std::size_t encoding_count = std::size(block_table);

inline constexpr auto all_encodings = [] {
  auto out = std::array<encoding, encoding_count>{};
  for (auto i = std::size_t{0}; i < encoding_count; ++i)
    out[i] = block_table[i].format;
  return out;
}();

[[nodiscard]] constexpr const block_facts& facts_of(encoding e) noexcept {
  return block_table[static_cast<std::size_t>(e)];
}

/// The facts of one encoding, for kernels that are made for it.
template <encoding E>
inline constexpr block_facts block_traits = facts_of(E);

/// The 16 codes that an IQ4_NL nibble stands for, offset included. Fixed by the format; never
/// change.
alignas(16) inline constexpr std::array<std::uint8_t, 16> iq4_nl_codes = {
    1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

namespace detail {

consteval bool table_is_sound() {
  for (auto i = std::size_t{0}; i < encoding_count; ++i) {
    const auto& f = block_table[i];
    const auto is_plain = f.codes <= code_layout::plain_bf16;
    if (static_cast<std::size_t>(f.format) != i || is_plain != (f.weights == 1))
      return false;
    if (f.weights != 1 && f.weights != 32 && f.weights != 256)
      return false;
    if ((f.scales != scale_layout::none) != (f.weights == 256))
      return false;
    for (auto j = std::size_t{0}; j < i; ++j)
      if (f.name == block_table[j].name || f.layer_code == block_table[j].layer_code ||
          f.ggml_type == block_table[j].ggml_type)
        return false;
    if (f.offset != 0 && !std::has_single_bit(static_cast<unsigned>(f.offset)))
      return false;
    if (!is_plain && (f.max_code <= 0 || f.offset > f.max_code))
      return false;
  }
  return true;
}
static_assert(table_is_sound());

} // namespace detail

} // namespace larql::quant
