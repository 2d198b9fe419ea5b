#include "runtime/experts/expert_heat.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::experts {

expert_heat::expert_heat(std::uint32_t layers, std::uint32_t experts, std::uint32_t top_k,
                         std::uint32_t window)
    : layers_(layers),
      experts_(experts),
      top_k_(top_k),
      window_(window),
      ring_(std::size_t{layers} * window * top_k, none),
      rows_(layers, 0),
      filled_(window, 0),
      counts_(std::size_t{layers} * experts) {
  LARQL_CHECK(window > 0 && window < UINT16_MAX && experts < none);
}

void expert_heat::note(std::uint32_t layer, std::uint32_t rows,
                       std::span<const assignment> assignments) {
  if (layer >= layers_ || rows == 0)
    return;
  // Of more rows than the window holds, the last ones count.
  const auto fresh = std::min(rows, window_);
  const auto skipped = rows - fresh;
  auto* const counts = &counts_[std::size_t{layer} * experts_];
  const auto place_of = [&](std::uint32_t row) {
    return static_cast<std::uint32_t>((rows_[layer] + row - skipped) % window_);
  };
  for (auto row = skipped; row < rows; ++row) {
    auto* const old = slot(layer, place_of(row));
    for (auto k = 0u; k < top_k_; ++k)
      if (old[k] != none)
        counts[std::exchange(old[k], none)].fetch_sub(1, std::memory_order_relaxed);
    filled_[row - skipped] = 0;
  }
  for (const auto& a : assignments) {
    if (a.row < skipped || a.row >= rows || a.expert >= experts_)
      continue;
    auto& filled = filled_[a.row - skipped];
    if (filled == top_k_)
      continue;
    slot(layer, place_of(a.row))[filled++] = static_cast<std::uint16_t>(a.expert);
    counts[a.expert].fetch_add(1, std::memory_order_relaxed);
  }
  rows_[layer] += fresh;
  const auto seen = static_cast<std::uint32_t>(std::min<std::uint64_t>(rows_[layer], window_));
  if (seen > tokens_.load(std::memory_order_relaxed))
    tokens_.store(seen, std::memory_order_relaxed);
}

expert_heat::picture expert_heat::snapshot() const {
  auto out = picture{tokens_.load(std::memory_order_relaxed), {}};
  out.counts.reserve(counts_.size());
  for (const auto& c : counts_)
    out.counts.push_back(
        static_cast<std::uint8_t>(std::min<unsigned>(c.load(std::memory_order_relaxed), 255)));
  return out;
}

} // namespace larql::experts
