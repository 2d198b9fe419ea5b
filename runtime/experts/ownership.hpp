// Which experts of which layers a node owns.

#pragma once

#include "runtime/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace larql::experts {

/// An inclusive range of indices, written "first-last".
struct index_range {
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  [[nodiscard]] constexpr bool contains(std::uint32_t i) const noexcept {
    return i >= first && i <= last;
  }
  [[nodiscard]] constexpr std::uint32_t count() const noexcept { return last - first + 1; }
  friend constexpr bool operator==(index_range, index_range) = default;
};

/// "0-63", or "5" for a single index. `what` names the option in errors.
[[nodiscard]] result<index_range> parse_range(std::string_view text, std::string_view what);
[[nodiscard]] std::string to_string(index_range range);

/// A rectangle of layers × experts.
struct ownership {
  index_range layers;
  index_range experts;

  [[nodiscard]] constexpr bool contains(std::uint32_t layer, std::uint32_t expert) const noexcept {
    return layers.contains(layer) && experts.contains(expert);
  }
  friend constexpr bool operator==(const ownership&, const ownership&) = default;
};

} // namespace larql::experts
