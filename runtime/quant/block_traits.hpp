// The number formats of weights, and the facts about each that every kernel reads: how many weights
// a block has, where its parts lie, what a code stands for (block_facts.hpp). One table; nothing
// else repeats it.
//
// Source    docs/vindex-format.md, "Block encodings". All but q6_k are byte-identical to ggml's.
// Threads   Constants.

#pragma once

#include "runtime/quant/block_facts.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace larql::quant {

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
    {.format = encoding::q4_1,
     .name = "Q4_1",
     .layer_code = 68,
     .ggml_type = 3,
     .weights = 32,
     .bytes = 20,
     .codes = code_layout::nibbles,
     .codes_at = 4,
     .min_at = 2,
     .has_min = true,
     .max_code = 15},
    {.format = encoding::iq4_xs,
     .name = "IQ4_XS",
     .layer_code = 69,
     .ggml_type = 23,
     .weights = 256,
     .bytes = 136,
     .codes = code_layout::nibbles_iq4_xs,
     .codes_at = 8,
     .offset = 128,
     .max_code = 241,
     .scales = scale_layout::split_six,
     .scales_at = 2,
     .groups = 8},
    {.format = encoding::q3_k,
     .name = "Q3_K",
     .layer_code = 70,
     .ggml_type = 11,
     .weights = 256,
     .bytes = 110,
     .codes = code_layout::k_pairs_third,
     .codes_at = 32,
     .high_at = 0,
     .d_at = 108,
     .offset = 4,
     .max_code = 7,
     .scales = scale_layout::six_bit_signed,
     .scales_at = 96,
     .groups = 16},
    {.format = encoding::q2_k,
     .name = "Q2_K",
     .layer_code = 71,
     .ggml_type = 10,
     .weights = 256,
     .bytes = 84,
     .codes = code_layout::k_pairs,
     .codes_at = 16,
     .d_at = 80,
     .min_at = 82,
     .has_min = true,
     .max_code = 3,
     .scales = scale_layout::nibbles,
     .scales_at = 0,
     .groups = 16},
    {.format = encoding::mxfp4,
     .name = "MXFP4",
     .layer_code = 72,
     .ggml_type = 39,
     .weights = 32,
     .bytes = 17,
     .codes = code_layout::nibbles_mxfp4,
     .codes_at = 1,
     .d_is = d_kind::exponent,
     .offset = 16,
     .max_code = 28},
    {.format = encoding::iq3_s,
     .name = "IQ3_S",
     .layer_code = 73,
     .ggml_type = 21,
     .weights = 256,
     .bytes = 110,
     .codes = code_layout::lattice_3s,
     .codes_at = 2,
     .high_at = 66,
     .offset = 64,
     .max_code = 79,
     .scales = scale_layout::odd_nibbles,
     .scales_at = 106,
     .groups = 8},
    {.format = encoding::iq3_xxs,
     .name = "IQ3_XXS",
     .layer_code = 74,
     .ggml_type = 18,
     .weights = 256,
     .bytes = 98,
     .codes = code_layout::lattice_3xxs,
     .codes_at = 2,
     .high_at = 66,
     .d_factor = 0.25f,
     .offset = 64,
     .max_code = 126,
     .scales = scale_layout::odd_top_nibbles,
     .scales_at = 66,
     .scale_step = 4,
     .groups = 8},
    {.format = encoding::iq2_s,
     .name = "IQ2_S",
     .layer_code = 75,
     .ggml_type = 22,
     .weights = 256,
     .bytes = 82,
     .codes = code_layout::lattice_2s,
     .codes_at = 2,
     .high_at = 66,
     .d_factor = 0.125f,
     .offset = 64,
     .max_code = 107,
     .scales = scale_layout::odd_nibbles,
     .scales_at = 74,
     .groups = 16},
    {.format = encoding::iq2_xs,
     .name = "IQ2_XS",
     .layer_code = 76,
     .ggml_type = 17,
     .weights = 256,
     .bytes = 74,
     .codes = code_layout::lattice_2xs,
     .codes_at = 2,
     .d_factor = 0.125f,
     .offset = 64,
     .max_code = 107,
     .scales = scale_layout::odd_nibbles,
     .scales_at = 66,
     .groups = 16},
    {.format = encoding::iq2_xxs,
     .name = "IQ2_XXS",
     .layer_code = 77,
     .ggml_type = 16,
     .weights = 256,
     .bytes = 66,
     .codes = code_layout::lattice_2xxs,
     .codes_at = 2,
     .d_factor = 0.125f,
     .offset = 64,
     .max_code = 107,
     .scales = scale_layout::odd_top_nibbles,
     .scales_at = 6,
     .scale_step = 8,
     .groups = 8},
    {.format = encoding::q6_k_ggml,
     .name = "Q6_K_GGML",
     .layer_code = 78,
     .ggml_type = no_ggml_type,
     .weights = 256,
     .bytes = 210,
     .codes = code_layout::ggml_six,
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

/// Those that an MXFP4 nibble stands for: twice an fp4 number (E2M1), offset included. Never
/// change.
alignas(16) inline constexpr std::array<std::uint8_t, 16> mxfp4_codes = {
    16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};

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
          (f.ggml_type == block_table[j].ggml_type && f.ggml_type != no_ggml_type))
        return false;
    if (f.offset != 0 && !std::has_single_bit(static_cast<unsigned>(f.offset)))
      return false;
    if (!is_plain && (f.max_code <= 0 || f.offset > f.max_code))
      return false;
    if (f.groups != 1 && f.groups != 8 && f.groups != 16)
      return false;
    // Of an exact product with another float no bit is lost (docs/numerics.md).
    const auto factor = std::bit_cast<std::uint32_t>(f.d_factor);
    if ((factor & 0x7fffffu) != 0 || f.d_factor <= 0 || f.d_factor > 1)
      return false;
  }
  return true;
}
static_assert(table_is_sound());

} // namespace detail

} // namespace larql::quant
