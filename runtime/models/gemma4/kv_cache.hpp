// Keys and values of one sequence. Full layers keep every position; sliding layers keep the window
// and a little more. Drafts, tokens that may turn out to be wrong, have slots of their own.
//
// Shapes    A block holds 64 positions of a layer: keys [kv heads][64][head_dim], then values, in
//           half precision by default, float by option. A draft slot is a block of one position.
// Memory    Blocks come from a kv_pool as positions are written and go back when no sequence and no
//           snapshot needs them. A block that is shared is copied before it is written.
// Owner     One sequence. Threads: one writer; readers between writes.

#pragma once

#include "runtime/base/reserved_memory.hpp"
#include "runtime/base/result.hpp"
#include "runtime/models/gemma4/kv_block.hpp"
#include "runtime/vindex/index_json.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace larql::gemma4 {

enum class kv_format { f16, f32 };

/// Consecutive positions of one layer, contiguous in memory for each head.
struct kv_run {
  std::uint32_t first = 0; ///< position of element 0
  std::uint32_t count = 0;
  const std::byte* keys = nullptr;   ///< of head 0: [count][head_dim]
  const std::byte* values = nullptr; ///< of head 0: [count][head_dim]
  std::size_t head_stride = 0;       ///< bytes from a head's keys or values to the next head's
};

/// A snapshot of the sliding layers: what they need to continue from a position. Its blocks are
/// shared with the sequence it was taken from.
struct kv_window {
  std::uint32_t end = 0;   ///< the sequence can continue at this position, or a little before it
  std::uint32_t first = 0; ///< first position that the snapshot holds, in every sliding layer
  std::vector<std::vector<kv_block_ptr>> layers; ///< by layer; none for full ones
};

/// What a sequence needs of its first `end` positions to continue there, in every layer. Its blocks
/// are shared with the sequence it was taken from, and are not written while it holds them.
struct kv_prefix {
  struct layer {
    std::uint32_t first_block = 0; ///< index of blocks[0], counted from position 0
    std::vector<kv_block_ptr> blocks;
  };
  std::uint32_t end = 0;
  std::vector<layer> layers;
};

class kv_cache {
public:
  /// Most drafts of a sequence at a time.
  static constexpr std::uint32_t max_drafts = 32;
  /// Positions that sliding layers keep at least in addition to the window, so that the sequence
  /// can go back by this many without a snapshot.
  static constexpr std::uint32_t slack_positions = kv_block_positions;

  kv_cache(const vindex::model_config& model, kv_format format, std::uint32_t max_context,
           std::shared_ptr<kv_pool> pool);

  [[nodiscard]] kv_format format() const noexcept { return format_; }
  [[nodiscard]] std::uint32_t max_context() const noexcept { return max_context_; }

  /// Where the key and value of a head at a position, or of a draft, are written.
  struct slot {
    std::byte* key;
    std::byte* value;
  };

  // ---- positions --------------------------------------------------------------------------------

  /// Gets memory for positions [first, end) of all layers, and copies of shared blocks. After a
  /// failure (no memory) everything that was written before is still there.
  /// @pre first is at most the end of what was prepared before; end <= max_context()
  [[nodiscard]] result<void> prepare(std::uint32_t first, std::uint32_t end);
  /// @pre position was prepared
  [[nodiscard]] slot at(std::uint32_t layer, std::uint32_t head, std::uint32_t position) noexcept;

  /// Appends the runs that hold positions [first, end) of a layer, in ascending order.
  /// @pre the positions are in the cache
  void read(std::uint32_t layer, std::uint32_t first, std::uint32_t end,
            std::vector<kv_run>& out) const;

  /// Forgets the positions from `end` on.
  void forget_from(std::uint32_t end) noexcept;
  /// Forgets the positions of sliding layers that no position from `end` on can see, but keeps
  /// slack_positions of them.
  void forget_before(std::uint32_t end) noexcept;

  /// Whether a sequence of positions [0, end) can continue: its sliding layers hold the window.
  [[nodiscard]] bool has_window(std::uint32_t end) const noexcept;
  /// The sliding layers' state at `end`. @pre has_window(end)
  [[nodiscard]] kv_window window(std::uint32_t end) const;
  /// Whether a sequence can continue at `end` with the snapshot `w`.
  [[nodiscard]] bool fits(const kv_window& w, std::uint32_t end) const noexcept;
  /// Puts a window in the place of the sliding layers' positions. @pre fits(w, end)
  void restore(const kv_window& w, std::uint32_t end);

  /// The first `end` positions; sliding layers are those of `w`, or without one this sequence's
  /// own. @pre w == nullptr ? has_window(end) : fits(*w, end)
  [[nodiscard]] kv_prefix prefix(std::uint32_t end, const kv_window* w) const;
  /// At most what prefix() of a sequence of `end` positions holds: blocks of a layer, their bytes.
  struct prefix_shape {
    std::uint32_t first_block = 0;
    std::uint32_t blocks = 0;
    std::size_t block_bytes = 0;
  };
  [[nodiscard]] std::vector<prefix_shape> shape_of_prefix(std::uint32_t end) const;
  /// Whether a prefix has the layers, the blocks and their sizes that this cache needs.
  [[nodiscard]] bool can_adopt(const kv_prefix& p) const noexcept;
  /// Continues with these positions in the place of all its own. @pre can_adopt(p)
  void adopt(kv_prefix p);
  /// An empty cache like this one.
  [[nodiscard]] kv_cache empty_copy() const;

  // ---- drafts -----------------------------------------------------------------------------------

  /// Gets memory for the draft slots, once.
  [[nodiscard]] result<void> prepare_drafts();
  /// Gives that memory back.
  void release_drafts() noexcept;
  /// @pre prepare_drafts() succeeded; draft < max_drafts
  [[nodiscard]] slot draft_at(std::uint32_t layer, std::uint32_t head,
                              std::uint32_t draft) noexcept;
  /// A draft as a run of one position.
  [[nodiscard]] kv_run read_draft(std::uint32_t layer, std::uint32_t draft,
                                  std::uint32_t position) const noexcept;
  /// Copies a draft to a position. @pre the position was prepared
  void accept(std::uint32_t draft, std::uint32_t position) noexcept;

  // ---- memory -----------------------------------------------------------------------------------

  /// Bytes of the blocks that this sequence holds, shared ones included.
  [[nodiscard]] std::uint64_t size_bytes() const noexcept;
  /// Appends the blocks of this sequence, for counting what it shares with windows.
  void list_blocks(std::vector<const kv_block*>& out) const;

  [[nodiscard]] const std::shared_ptr<kv_pool>& pool() const noexcept { return pool_; }

private:
  kv_cache() = default;

  struct layer_store {
    bool sliding = false;
    std::uint32_t heads = 0;
    std::size_t row_bytes = 0;     ///< of one head at one position
    std::uint32_t first_block = 0; ///< index of blocks[0], counted from position 0
    std::vector<kv_block_ptr> blocks;
    reserved_memory drafts; ///< [heads][max_drafts] keys, then values

    [[nodiscard]] std::size_t block_bytes() const noexcept {
      return 2 * row_bytes * heads * kv_block_positions;
    }
  };

  [[nodiscard]] result<void> prepare(layer_store& s, std::uint32_t first, std::uint32_t end);
  [[nodiscard]] std::uint32_t first_visible(std::uint32_t position) const noexcept;

  std::vector<layer_store> layers_;
  kv_format format_{};
  std::uint32_t window_ = 0;
  std::uint32_t max_context_ = 0;
  std::shared_ptr<kv_pool> pool_;
};

} // namespace larql::gemma4
