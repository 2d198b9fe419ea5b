#include "runtime/speculation/pass_cost.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>
#include <cmath>

namespace larql::speculation {

namespace {

constexpr auto weight_of_new = 0.25;
/// A faster pass than before is no chance: nothing makes a pass faster than it can be.
constexpr auto weight_of_faster = 0.5;
/// Contexts grow and links change: what was seen so many passes ago says little.
constexpr std::uint64_t fresh_passes = 256;
/// Passes of prompts have many rows, and whether it is one more matters to nobody.
constexpr std::uint32_t exact_rows = 64;

std::uint32_t class_of(std::uint32_t rows) {
  return rows <= exact_rows ? rows : rows / exact_rows * exact_rows;
}

} // namespace

void pass_cost::set_compute_share(double share) noexcept {
  compute_share_ = std::clamp(share, 0.0, 1.0);
}

void pass_cost::add(std::uint32_t rows, double seconds) {
  LARQL_CHECK(rows != 0);
  auto& e = entries_[class_of(rows)];
  if (e.times == 0 || !is_fresh(e))
    e = {seconds, 0, 0};
  else
    e.seconds += (seconds < e.seconds ? weight_of_faster : weight_of_new) * (seconds - e.seconds);
  ++e.times;
  e.last = ++passes_;
}

bool pass_cost::is_fresh(const entry& e) const noexcept {
  return passes_ - e.last < fresh_passes;
}

// Relative to one row, if rows cost nothing but the experts that they add. Choices as of dice: real
// ones are closer together, which what was seen will say.
double pass_cost::curve(std::uint32_t rows) const {
  const auto others = 1 - static_cast<double>(shape_.top_k) / shape_.experts;
  const auto distinct = shape_.top_k == shape_.experts
                            ? 1.0
                            : (1 - std::pow(others, rows)) / (1 - others); // 1 for one row
  return 1 + compute_share_ * (distinct - 1);
}

pass_cost::entries::const_iterator pass_cost::known_from(std::uint32_t rows) const {
  auto at = entries_.lower_bound(rows);
  while (at != entries_.end() && !is_fresh(at->second))
    ++at;
  return at;
}

pass_cost::entries::const_iterator pass_cost::known_before(entries::const_iterator at) const {
  while (at != entries_.begin())
    if (is_fresh((--at)->second))
      return at;
  return entries_.end();
}

std::optional<double> pass_cost::seconds(std::uint32_t rows) const {
  const auto height = [&](entries::const_iterator e) {
    return e->second.seconds / curve(e->first);
  };
  const auto above = known_from(rows);
  if (above != entries_.end() && above->first == rows)
    return above->second.seconds;
  const auto below = known_before(entries_.lower_bound(rows));
  if (below == entries_.end() && above == entries_.end())
    return std::nullopt;
  if (below == entries_.end()) // a smaller pass than was ever seen
    return height(above) * curve(rows);
  // The line through two passes, between them or beyond both.
  auto first = below, second = above;
  if (above == entries_.end()) {
    second = below;
    first = known_before(below);
  }
  if (first == entries_.end())
    return height(second) * curve(rows);
  const auto slope =
      std::max(0.0, (height(second) - height(first)) / (second->first - first->first));
  return (height(first) + slope * (rows - first->first)) * curve(rows);
}

// Between two that were seen a pass may be anywhere between them.
std::optional<double> pass_cost::at_most(std::uint32_t rows) const {
  const auto above = known_from(rows);
  const auto below = known_before(entries_.upper_bound(rows));
  if (below == entries_.end())
    return seconds(rows);
  const auto scaled = below->second.seconds * rows / below->first;
  return above == entries_.end() ? scaled : std::min(scaled, above->second.seconds);
}

std::uint32_t pass_cost::seen(std::uint32_t rows) const {
  const auto e = entries_.find(class_of(rows));
  return e == entries_.end() || !is_fresh(e->second) ? 0 : e->second.times;
}

} // namespace larql::speculation
