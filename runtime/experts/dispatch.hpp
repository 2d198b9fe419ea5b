// Which experts a batch of rows goes to: the assignments of rows to experts, in the order in which
// they are computed and sent.
//
// Threads   Pure functions.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace larql::experts {

/// Run `expert` on row `row` and add the result times `weight`.
struct assignment {
  std::uint32_t row = 0;
  std::uint32_t expert = 0;
  float weight = 0;
};

/// By expert, then by row: the weights of an expert are read once and in the order of the file.
[[nodiscard]] constexpr bool comes_before(const assignment& a, const assignment& b) noexcept {
  return a.expert != b.expert ? a.expert < b.expert : a.row < b.row;
}

/// The assignments of a router's choice in that order. `ids` and `weights` are [rows][top_k]; the
/// ids of a row are distinct. `out` is replaced and keeps its memory.
void assignments_by_expert(std::span<const std::uint16_t> ids, std::span<const float> weights,
                           std::uint32_t top_k, std::vector<assignment>& out);

} // namespace larql::experts
