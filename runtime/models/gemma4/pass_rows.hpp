// The rows of one pass through the model: which token of which sequence each row is, and which
// positions it attends to.
//
// A part of a pass is either tokens that follow each other at the end of a sequence, or a tree of
// drafts there: several guesses of how it goes on. A draft sees the sequence and the drafts on its
// own branch, and nothing of other branches.

#pragma once

#include "runtime/models/gemma4/kv_cache.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace larql::gemma4 {

/// Tokens at positions first, first + 1, ... of the sequence whose cache this is. With `parents`, a
/// tree: token i comes after token parents[i], which is below i, or directly after the sequence if
/// that is -1.
struct sequence_part {
  std::span<const std::uint32_t> tokens;
  std::uint32_t first = 0;
  kv_cache* cache = nullptr;
  std::span<const std::int32_t> parents = {}; ///< empty, or one for each token
};

/// One row.
struct pass_row {
  std::uint32_t position = 0;
  kv_cache* cache = nullptr;
  /// Positions [0, base) are read from the cache, `base` and later ones from the branch's drafts.
  std::uint32_t base = 0;
  std::uint32_t branch = 0; ///< of its first draft in pass_rows::branches; a draft's last is itself

  [[nodiscard]] bool is_draft() const noexcept { return position >= base; }
};

class pass_rows {
public:
  /// @pre parts are not empty and of different sequences; drafts are at most kv_cache::max_drafts
  void set(std::span<const sequence_part> parts);

  /// Leaves out `count` rows from `first` on; the others move up.
  void remove(std::size_t first, std::size_t count);

  [[nodiscard]] std::span<const pass_row> rows() const noexcept { return rows_; }
  [[nodiscard]] std::uint32_t size() const noexcept {
    return static_cast<std::uint32_t>(rows_.size());
  }

  /// Where row `r` writes its key and value.
  [[nodiscard]] kv_cache::slot slot_of(std::size_t r, std::uint32_t layer,
                                       std::uint32_t head) const noexcept;

  /// Replaces `out` by the runs of positions [first, position] that row `r` sees, in ascending
  /// order.
  void read(std::size_t r, std::uint32_t layer, std::uint32_t first,
            std::vector<kv_run>& out) const;

private:
  std::vector<pass_row> rows_;
  std::vector<std::uint32_t> branches_; // draft slots of each draft's branch, in order of position
};

} // namespace larql::gemma4
