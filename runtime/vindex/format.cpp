#include "runtime/vindex/format.hpp"

#include <array>
#include <fmt/format.h>
#include <utility>

namespace larql::vindex {

namespace {

using quant::encoding;

// 7 is the reference's fp4, which no Gemma 4 vindex uses.
constexpr auto layer_codes = std::array<std::pair<std::uint32_t, encoding>, 11>{{
    {0, encoding::f32},
    {1, encoding::f16},
    {2, encoding::bf16},
    {3, encoding::q4_0},
    {4, encoding::q4_k},
    {5, encoding::q6_k},
    {6, encoding::q8_0},
    {64, encoding::q5_0},
    {65, encoding::q5_1},
    {66, encoding::iq4_nl},
    {67, encoding::q5_k},
}};

} // namespace

std::string layer_file_name(std::uint32_t layer) {
  return fmt::format("{}/layer_{:02}.weights", layers_dir, layer);
}

std::optional<encoding> encoding_from_layer_code(std::uint32_t code) noexcept {
  for (const auto& [c, e] : layer_codes)
    if (c == code)
      return e;
  return std::nullopt;
}

std::uint32_t layer_code(encoding e) noexcept {
  for (const auto& [c, known] : layer_codes)
    if (known == e)
      return c;
  return ~0u;
}

} // namespace larql::vindex
