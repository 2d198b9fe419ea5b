// How the sums of a row come back from a node: exact integers, or rounded to fewer bytes.
//
// Threads   Pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace larql::quant {

/// Numbers are those of the wire (schema/wire.capnp, SumFormat).
enum class sum_format : std::uint8_t {
  exact, ///< integers of 4 to 8 bytes, or a relay's f32, which lose nothing
  f16,   ///< IEEE half precision
  bf16,
  q8 ///< 8 bits with a f32 scale per 32
};

inline constexpr std::size_t sum_formats = 4;

/// "exact", "f16", "bf16", "q8".
[[nodiscard]] constexpr std::string_view name_of(sum_format f) noexcept {
  constexpr std::string_view names[sum_formats] = {"exact", "f16", "bf16", "q8"};
  return static_cast<std::size_t>(f) < std::size(names) ? names[static_cast<std::size_t>(f)]
                                                        : "unknown";
}

/// The format of that name; nothing if there is none.
[[nodiscard]] constexpr std::optional<sum_format> find_sum_format(std::string_view name) noexcept {
  for (auto i = std::size_t{0}; i < sum_formats; ++i)
    if (name_of(static_cast<sum_format>(i)) == name)
      return static_cast<sum_format>(i);
  return std::nullopt;
}

} // namespace larql::quant
