// Which experts a node that offers memory should load.
//
// Threads   Pure functions.

#pragma once

#include "runtime/experts/ownership.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace larql::actors {

struct memory_offer {
  std::uint64_t available_bytes = 0;
  std::uint64_t bytes_per_expert = 0; ///< of one expert in all layers; not 0
};

/// The first run of experts that are missing in some layer, cut to what fits the offer. Nothing if
/// nothing is missing or not even one expert fits. `owned` is what others own or have promised to
/// load.
[[nodiscard]] std::optional<experts::index_range>
choose_placement(std::span<const experts::ownership> owned, std::uint32_t layers,
                 std::uint32_t experts, const memory_offer& offer);

} // namespace larql::actors
