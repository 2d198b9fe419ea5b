#include "actors/policy/replica_choice.hpp"

#include <algorithm>
#include <numeric>

namespace larql::actors {

std::vector<int> choose_nodes(std::uint32_t layer, std::span<const expert_demand> demands,
                              std::span<const node_offer> nodes) {
  auto out = std::vector<int>(demands.size(), -1);
  auto given_us = std::vector<float>(nodes.size(), 0); // by this layer; 0: not asked yet
  // Large demands first: the small ones fill the gaps.
  auto order = std::vector<std::size_t>(demands.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return demands[a].rows > demands[b].rows; });
  for (const auto d : order) {
    auto best = -1;
    auto best_end = 0.0f;
    for (auto n = std::size_t{0}; n < nodes.size(); ++n) {
      const auto& node = nodes[n];
      if (!node.owned.contains(layer, demands[d].expert))
        continue;
      const auto work = node.unit_us * static_cast<float>(1 + demands[d].rows);
      const auto before = given_us[n] > 0 ? given_us[n] : node.busy_us + node.overhead_us;
      const auto end = before + work;
      const auto better =
          best < 0 || (nodes[static_cast<std::size_t>(best)].avoid && !node.avoid) ||
          (nodes[static_cast<std::size_t>(best)].avoid == node.avoid && end < best_end);
      if (better) {
        best = static_cast<int>(n);
        best_end = end;
      }
    }
    out[d] = best;
    if (best >= 0)
      given_us[static_cast<std::size_t>(best)] = best_end;
  }
  return out;
}

} // namespace larql::actors
