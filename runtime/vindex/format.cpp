#include "runtime/vindex/format.hpp"

#include <fmt/format.h>

namespace larql::vindex {

using quant::encoding;

std::string layer_file_name(std::uint32_t layer) {
  return fmt::format("{}/layer_{:02}.weights", layers_dir, layer);
}

std::optional<encoding> encoding_from_layer_code(std::uint32_t code) noexcept {
  for (const auto& facts : quant::block_table)
    if (facts.layer_code == code)
      return facts.format;
  return std::nullopt;
}

std::uint32_t layer_code(encoding e) noexcept {
  return quant::facts_of(e).layer_code;
}

} // namespace larql::vindex
