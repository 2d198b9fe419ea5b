#include "runtime/quant/encoding.hpp"

namespace larql::quant {

std::optional<encoding> encoding_from_name(std::string_view name) noexcept {
  for (const auto& facts : block_table)
    if (facts.name == name)
      return facts.format;
  return std::nullopt;
}

} // namespace larql::quant
