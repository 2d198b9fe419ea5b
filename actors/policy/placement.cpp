#include "actors/policy/placement.hpp"

#include <algorithm>

namespace larql::actors {

std::optional<experts::index_range> choose_placement(std::span<const experts::ownership> owned,
                                                     std::uint32_t layers, std::uint32_t experts,
                                                     const memory_offer& offer) {
  const auto fits = offer.available_bytes / offer.bytes_per_expert;
  if (fits == 0)
    return std::nullopt;
  const auto is_missing = [&](std::uint32_t expert) {
    for (auto l = 0u; l < layers; ++l)
      if (std::none_of(owned.begin(), owned.end(),
                       [&](const experts::ownership& o) { return o.contains(l, expert); }))
        return true;
    return false;
  };
  for (auto first = 0u; first < experts; ++first) {
    if (!is_missing(first))
      continue;
    auto last = first;
    while (last + 1 < experts && last + 1 - first < fits && is_missing(last + 1))
      ++last;
    return experts::index_range{first, last};
  }
  return std::nullopt;
}

} // namespace larql::actors
