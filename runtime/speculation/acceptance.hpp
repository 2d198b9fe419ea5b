// How often drafts turn out to be right, by how likely their drafter holds them and by their
// position.
//
// A draft counts only if its parent was accepted: what comes behind a wrong one says nothing, and a
// draft that was accepted to its end says nothing about what might have come behind it.
//
// Numerics  Where little was seen, the drafter's own word counts; then what was seen of drafts with
//           about that word at any position; then at that position. Old observations fade.
// Threads   Plain state; one owner.

#pragma once

#include "runtime/generate/draft_tree.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace larql::speculation {

class acceptance {
public:
  static constexpr std::size_t words = 8;     ///< classes of chances
  static constexpr std::size_t positions = 6; ///< 1, 2, 3, 4, 5 to 8, and all behind

  /// What was seen of a class: both fade.
  struct cell {
    float seen = 0;
    float right = 0;
  };

  /// That a draft at this depth is right if its parent is. @pre depth is at least 1
  [[nodiscard]] float of(float chance, std::uint32_t depth) const noexcept;
  /// Of each draft of a tree, with all before it.
  void worth_of(const generate::draft_tree& drafts, std::vector<float>& out) const;

  /// A tree was verified. `branch`: what was accepted of it.
  void add(const generate::draft_tree& drafts, std::span<const std::uint32_t> branch);

  /// What was seen, to be kept and put back.
  [[nodiscard]] std::span<const cell> cells() const noexcept { return cells_; }
  /// @pre as many as cells()
  void restore(std::span<const cell> cells);

private:
  void add(float chance, std::uint32_t depth, bool right) noexcept;

  // [positions][words], and behind them those of all positions.
  std::array<cell, (positions + 1) * words> cells_{};
};

} // namespace larql::speculation
