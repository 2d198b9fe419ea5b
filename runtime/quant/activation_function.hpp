// The function between the two halves of a gated feed-forward block: act(gate) * up. It is a fact
// of the model, and whoever computes its experts must compute the same one.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace larql::quant {

/// Values are internal; index.json and messages use names or their own codes.
enum class activation_function : std::uint8_t {
  gelu, ///< 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  silu, ///< x / (1 + e^-x)
};
inline constexpr std::size_t activation_function_count = 2;

/// In index.json: the names that Hugging Face's configurations use. Files: never change.
[[nodiscard]] constexpr std::string_view name_of(activation_function f) noexcept {
  switch (f) {
  case activation_function::gelu: return "gelu_pytorch_tanh";
  case activation_function::silu: return "silu";
  }
  return "unknown";
}

[[nodiscard]] constexpr std::optional<activation_function>
activation_from_name(std::string_view name) noexcept {
  for (const auto f : {activation_function::gelu, activation_function::silu})
    if (name == name_of(f))
      return f;
  return std::nullopt;
}

} // namespace larql::quant
