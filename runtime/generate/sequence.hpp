// One conversation: its tokens, their keys and values, and the final hidden rows of its last pass.
//
// A sequence can go back: to any of its last positions, or to a boundary that was marked, where a
// snapshot keeps what sliding layers need. The logits of a row that is still kept cost one product
// with the output head and no layer.
//
// Owner     Its conversation. Snapshots share memory with the cache (gemma4/kv_block.hpp).
// Threads   One at a time; passes over it belong to an executor (executor.hpp).

#pragma once

#include "runtime/base/wipe.hpp"
#include "runtime/experts/maker_ledger.hpp"
#include "runtime/models/gemma4/kv_cache.hpp"
#include "runtime/models/gemma4/model.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace larql::generate {

struct sequence_options {
  gemma4::kv_format kv = gemma4::kv_format::f16;
  std::uint32_t max_context = 8192;                 ///< tokens
  std::uint64_t snapshot_bytes = ~std::uint64_t{0}; ///< most that snapshots may hold on their own
};

/// What a marked boundary is.
enum class boundary : std::uint8_t {
  system,  ///< the end of what stays the same in the whole conversation
  turn,    ///< the end of a turn, as that of a prompt, where an answer begins
  interval ///< a place in a long text about whose parts nothing is known
};

struct marked_position {
  boundary kind = boundary::turn;
  std::uint32_t position = 0;
};

class sequence {
public:
  /// Snapshots of turns that are kept.
  static constexpr std::size_t kept_turns = 2;

  /// Blocks come from `pool`. Fails with `usage` if the options make no sense.
  [[nodiscard]] static result<std::unique_ptr<sequence>>
  create(const gemma4::model& model, std::shared_ptr<gemma4::kv_pool> pool,
         const sequence_options& options);

  ~sequence() { wipe(tokens_); }

  /// Tokens whose keys and values are in the cache.
  [[nodiscard]] std::span<const std::uint32_t> tokens() const noexcept { return tokens_; }
  [[nodiscard]] std::uint32_t size() const noexcept {
    return static_cast<std::uint32_t>(tokens_.size());
  }
  [[nodiscard]] std::uint32_t max_context() const noexcept { return cache_.max_context(); }

  /// Tokens that are kept by going back to `count`: `count`, or fewer where sliding layers have
  /// lost what is needed to go on from there; size() if it is not more than `count`.
  [[nodiscard]] std::uint32_t reach(std::uint32_t count) const;

  /// Goes back to `count` tokens, or to fewer where sliding layers have lost what is needed to go
  /// on from there. Returns how many are kept; a count of size() or more changes nothing.
  std::uint32_t truncate(std::uint32_t count);

  /// Keeps what is needed to go back to `position`, and to a few positions before it. The last
  /// kept_turns turns and the last system boundary are kept, as far as snapshot_bytes allow.
  /// Ignored if sliding layers have moved on. @pre position <= size()
  void mark(boundary kind, std::uint32_t position);
  /// The same for a position that is not reached yet: it is marked by the pass that reaches it.
  void mark_ahead(boundary kind, std::uint32_t position);

  // ---- sharing ----------------------------------------------------------------------------------

  /// A sequence of the first reach(count) tokens. It shares their keys and values and the
  /// snapshots before them; neither notices what the other does. If these are all tokens, it has
  /// the final hidden row of the last one as well.
  [[nodiscard]] std::unique_ptr<sequence> fork(std::uint32_t count) const;

  /// Who had a part in the positions from `first` on, up to those of the next entry.
  struct origin {
    std::uint32_t first = 0;
    experts::provenance from;
    experts::maker_ledger::time when; ///< they were finished
  };

  /// Tokens and what a sequence needs to continue behind them, for a file.
  struct prefix {
    std::vector<std::uint32_t> tokens;
    gemma4::kv_prefix kv;
    std::vector<origin> origins = {}; ///< in order of position

    /// Every node that had a part in it.
    [[nodiscard]] experts::maker_set makers() const noexcept;
  };
  /// The first reach(count) tokens. @pre reach(count) != 0
  [[nodiscard]] prefix share(std::uint32_t count) const;
  /// Continues behind `p`. @pre empty; gemma4::kv_cache::adopt
  void adopt(prefix p);

  // ---- final hidden rows ------------------------------------------------------------------------

  /// The final hidden row of the token at a position, if it is kept: those of the last pass are.
  [[nodiscard]] std::optional<std::span<const float>> row_at(std::uint32_t position) const noexcept;
  /// The final hidden row of a draft of the last pass. @pre draft < drafts()
  [[nodiscard]] std::span<const float> draft_row(std::uint32_t draft) const;
  [[nodiscard]] std::uint32_t drafts() const noexcept {
    return static_cast<std::uint32_t>(draft_tokens_.size());
  }

  /// Appends drafts of the last pass as if they had been appended one after the other. `branch`
  /// names them from the first to the last; each must be the parent of the next. Other drafts are
  /// forgotten. Fails, and changes nothing, if there is no memory.
  [[nodiscard]] result<void> accept(std::span<const std::uint32_t> branch);

  [[nodiscard]] const gemma4::kv_cache& cache() const noexcept { return cache_; }

  // ---- for the executor -------------------------------------------------------------------------

  [[nodiscard]] gemma4::kv_cache& cache() noexcept { return cache_; }
  /// A pass over `tokens` at the end is complete; `rows` are its final hidden rows, and `from` says
  /// which nodes had a part in them.
  void commit(std::span<const std::uint32_t> tokens, std::span<const float> rows,
              const experts::provenance& from = {});
  /// A pass over a tree of drafts is complete.
  void commit_drafts(std::span<const std::uint32_t> tokens, std::span<const std::int32_t> parents,
                     std::span<const float> rows, const experts::provenance& from = {});

  /// The first position whose keys and values are void, because a condemned node had a part in
  /// them; size() if there is none. Everything from there on is void as well.
  [[nodiscard]] std::uint32_t void_from(const experts::maker_ledger& ledger) const;
  /// Whether a condemned node had a part in the drafts of the last pass.
  [[nodiscard]] bool drafts_are_void(const experts::maker_ledger& ledger) const;

  // ---- memory -----------------------------------------------------------------------------------

  /// Gives back what a sequence that rests does not need: hidden rows, and memory for drafts.
  void release_scratch();
  /// Appends the blocks of the sequence and of its snapshots, for counting what sequences share.
  void list_blocks(std::vector<const gemma4::kv_block*>& out) const;

  /// Keys and values of the sequence and of its snapshots; shared blocks count once.
  [[nodiscard]] std::uint64_t kv_bytes() const;

private:
  struct snapshot {
    boundary kind;
    gemma4::kv_window window;
  };

  sequence(gemma4::kv_cache cache, std::uint32_t hidden, std::uint64_t snapshot_bytes);
  void keep_rows(std::uint32_t first, std::span<const float> rows);
  void note_origin(const origin& o);
  [[nodiscard]] std::vector<origin> origins_before(std::uint32_t end) const;
  void drop_snapshots();
  void mark_reached();
  /// Where truncate(count) leads, and the snapshot that it takes.
  struct way_back {
    std::uint32_t reached = 0;
    const gemma4::kv_window* from = nullptr; ///< null: the sliding layers hold what is needed
  };
  [[nodiscard]] way_back find_way_back(std::uint32_t count) const;
  [[nodiscard]] std::uint64_t bytes_of_snapshots() const;

  gemma4::kv_cache cache_;
  std::uint32_t hidden_;
  std::uint64_t snapshot_bytes_;
  std::vector<std::uint32_t> tokens_;
  std::vector<origin> origins_;     // in order of position; none of positions made here alone
  std::vector<snapshot> snapshots_; // in order of position; void as the positions before their end
  std::vector<marked_position> ahead_; // to be marked once they are reached
  std::vector<float> rows_; // final hidden rows of positions first_row_, first_row_ + 1, ...
  std::uint32_t first_row_ = 0;
  std::vector<std::uint32_t> draft_tokens_;
  std::vector<std::int32_t> draft_parents_;
  std::vector<float> draft_rows_;
  origin draft_origin_{};
};

} // namespace larql::generate
