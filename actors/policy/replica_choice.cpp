#include "actors/policy/replica_choice.hpp"

#include <algorithm>
#include <numeric>

namespace larql::actors {

std::span<const int> node_choice::choose(std::uint32_t layer,
                                         std::span<const expert_demand> demands,
                                         std::span<const node_offer> nodes) {
  chosen_.assign(demands.size(), -1);
  given_us_.assign(nodes.size(), 0);
  // Large demands first: the small ones fill the gaps.
  order_.resize(demands.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
    return demands[a].rows != demands[b].rows ? demands[a].rows > demands[b].rows : a < b;
  });
  for (const auto d : order_) {
    auto best = -1;
    auto best_end = 0.0f;
    for (auto n = std::size_t{0}; n < nodes.size(); ++n) {
      const auto& node = nodes[n];
      if (!node.owned.contains(layer, demands[d].expert))
        continue;
      const auto work = node.unit_us * static_cast<float>(1 + demands[d].rows);
      const auto before = given_us_[n] > 0 ? given_us_[n] : node.busy_us + node.overhead_us;
      const auto end = before + work;
      const auto better =
          best < 0 || (nodes[static_cast<std::size_t>(best)].avoid && !node.avoid) ||
          (nodes[static_cast<std::size_t>(best)].avoid == node.avoid && end < best_end);
      if (better) {
        best = static_cast<int>(n);
        best_end = end;
      }
    }
    chosen_[d] = best;
    if (best >= 0)
      given_us_[static_cast<std::size_t>(best)] = best_end;
  }
  return chosen_;
}

} // namespace larql::actors
