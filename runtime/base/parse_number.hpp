// A text that is a number and nothing else.
//
// Threads   Pure function.

#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

namespace larql {

/// The number that the whole text spells in decimal. None: a sign that Number has not, other
/// characters, nothing, or a number that Number cannot hold.
template <std::integral Number>
[[nodiscard]] std::optional<Number> parse_number(std::string_view text) noexcept {
  auto number = Number{};
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc{} || parsed.ptr != end)
    return std::nullopt;
  return number;
}

} // namespace larql
