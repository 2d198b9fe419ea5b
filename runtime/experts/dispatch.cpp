#include "runtime/experts/dispatch.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::experts {

void assignments_by_expert(std::span<const std::uint16_t> ids, std::span<const float> weights,
                           std::uint32_t top_k, std::vector<assignment>& out) {
  LARQL_CHECK(top_k != 0 && ids.size() == weights.size() && ids.size() % top_k == 0);
  out.clear();
  for (auto i = std::size_t{0}; i < ids.size(); ++i)
    out.push_back({static_cast<std::uint32_t>(i / top_k), ids[i], weights[i]});
  std::sort(out.begin(), out.end(), comes_before);
}

} // namespace larql::experts
