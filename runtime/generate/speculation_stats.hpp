// What drafts came to: of an answer, or of all.

#pragma once

#include "runtime/generate/draft_tree.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace larql::generate {

struct speculation_stats {
  static constexpr std::size_t positions = 16; ///< the last one stands for all behind it

  std::uint64_t steps = 0;    ///< that gave tokens behind the first one, with drafts or without
  std::uint64_t passes = 0;   ///< of these, with drafts
  std::uint64_t drafted = 0;  ///< drafts that were computed
  std::uint64_t accepted = 0; ///< of these, those that became tokens
  /// By position behind the text: passes that had drafts there, and those where one was accepted.
  /// A pass whose drafts were given up before is not counted there: nothing is known of it.
  std::array<std::uint64_t, positions> tried_at{}, accepted_at{};

  /// A tree was verified. @pre `branch` is what a step accepted of it
  void add(const draft_tree& drafts, std::span<const std::uint32_t> branch) {
    ++passes;
    drafted += drafts.size();
    accepted += branch.size();
    auto parent = std::int32_t{-1};
    for (auto depth = std::size_t{0}; depth <= branch.size(); ++depth) {
      if (std::find(drafts.parents.begin(), drafts.parents.end(), parent) == drafts.parents.end())
        return;
      const auto at = std::min(depth, positions - 1);
      ++tried_at[at];
      if (depth == branch.size())
        return;
      ++accepted_at[at];
      parent = static_cast<std::int32_t>(branch[depth]);
    }
  }
};

} // namespace larql::generate
