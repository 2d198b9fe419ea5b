#include "runtime/speculation/acceptance.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::speculation {

namespace {

/// Weight of an observation after another one: about the last fifty count.
constexpr auto fading = 0.98f;
/// Observations that the less exact estimate weighs as.
constexpr auto weight_of_word = 2.0f;
constexpr auto weight_of_all_positions = 4.0f;

std::size_t class_of(float chance) noexcept {
  const auto scaled = std::clamp(chance, 0.0f, 1.0f) * static_cast<float>(acceptance::words);
  return std::min(static_cast<std::size_t>(scaled), acceptance::words - 1);
}

std::size_t position_of(std::uint32_t depth) noexcept {
  return depth <= 4 ? depth - 1 : depth <= 8 ? 4 : 5;
}

float mixed(const acceptance::cell& c, float before, float weight) noexcept {
  return (c.right + weight * before) / (c.seen + weight);
}

void observe(acceptance::cell& c, bool right) noexcept {
  c.seen = c.seen * fading + 1;
  c.right = c.right * fading + (right ? 1.0f : 0.0f);
}

} // namespace

float acceptance::of(float chance, std::uint32_t depth) const noexcept {
  const auto word = class_of(chance);
  const auto anywhere = mixed(cells_[positions * words + word], chance, weight_of_word);
  return mixed(cells_[position_of(depth) * words + word], anywhere, weight_of_all_positions);
}

void acceptance::worth_of(const generate::draft_tree& drafts, std::vector<float>& out) const {
  out.clear();
  for (auto i = std::size_t{0}; i < drafts.size(); ++i) {
    const auto parent = drafts.parents[i];
    const auto before = parent < 0 ? 1.0f : out[static_cast<std::size_t>(parent)];
    out.push_back(before * of(drafts.chances[i], drafts.depth(i)));
  }
}

void acceptance::add(float chance, std::uint32_t depth, bool right) noexcept {
  const auto word = class_of(chance);
  observe(cells_[positions * words + word], right);
  observe(cells_[position_of(depth) * words + word], right);
}

void acceptance::add(const generate::draft_tree& drafts, std::span<const std::uint32_t> branch) {
  auto parent = std::int32_t{-1};
  for (auto depth = 1u; depth <= branch.size() + 1; ++depth) {
    const auto right = depth <= branch.size() ? static_cast<std::int32_t>(branch[depth - 1]) : -1;
    for (auto i = std::size_t{0}; i < drafts.size(); ++i)
      if (drafts.parents[i] == parent)
        add(drafts.chances[i], depth, static_cast<std::int32_t>(i) == right);
    parent = right;
  }
}

void acceptance::restore(std::span<const cell> cells) {
  LARQL_CHECK(cells.size() == cells_.size());
  std::copy(cells.begin(), cells.end(), cells_.begin());
}

} // namespace larql::speculation
