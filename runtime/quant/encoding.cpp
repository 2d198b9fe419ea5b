#include "runtime/quant/encoding.hpp"

#include <array>

namespace larql::quant {

namespace {

constexpr std::array<std::string_view, encoding_count> names = {
    "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q5_0", "Q5_1", "IQ4_NL", "Q4_K", "Q5_K", "Q6_K"};

} // namespace

std::string_view name_of(encoding e) noexcept {
  return names[static_cast<std::size_t>(e)];
}

std::optional<encoding> encoding_from_name(std::string_view name) noexcept {
  for (auto i = std::size_t{0}; i < names.size(); ++i)
    if (names[i] == name)
      return static_cast<encoding>(i);
  return std::nullopt;
}

} // namespace larql::quant
