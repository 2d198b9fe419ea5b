// Sequences that have ended, kept whole so that a later prompt can begin where its text parts from
// theirs. A prompt that begins like a cached sequence gets a sequence of its own that shares the
// blocks of the common part (sequence::fork).
//
// Policy    The longest usable prefix among the sequences of the same owner; the least recently
//           used sequence goes first. A sequence that others have grown out of goes before those
//           that ended otherwise: its text is in theirs as far as it was of use.
// Memory    Blocks are counted once, however many sequences of the cache hold them.
// Numerics  A prefix gives the bits that reading it again would give. What a condemned node had a
//           part in is not used.
// Threads   One owner.

#pragma once

#include "runtime/experts/maker_ledger.hpp"
#include "runtime/generate/sequence.hpp"

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

namespace larql::generate {

struct prefix_cache_options {
  std::uint64_t max_bytes = ~std::uint64_t{0}; ///< that cached sequences hold
  bool shared = false;                         ///< owners see each other's sequences
};

/// Which entry of the cache a sequence grew out of.
struct prefix_parent {
  std::uint64_t entry = 0; ///< 0: none
  std::uint64_t uses = 0;
};

class prefix_cache {
public:
  /// `makers` may be null: all experts are this process's own.
  prefix_cache(const prefix_cache_options& options, const experts::maker_ledger* makers)
      : options_(options), makers_(makers) {}

  struct found {
    std::unique_ptr<sequence> start; ///< null: nothing of use was cached
    prefix_parent parent;
  };
  /// A sequence of the longest cached prefix of `tokens`, at most of the first `most` of them. A
  /// prefix of fewer than `least` tokens is not worth its memory.
  [[nodiscard]] found find(std::string_view owner, std::span<const std::uint32_t> tokens,
                           std::uint32_t most, std::uint32_t least = 1);
  /// Tokens that find() would give.
  [[nodiscard]] std::uint32_t reach(std::string_view owner, std::span<const std::uint32_t> tokens,
                                    std::uint32_t most) const;

  /// Takes a sequence that has ended, up to what a condemned node had a part in; an empty one is
  /// forgotten.
  void insert(std::string_view owner, std::unique_ptr<sequence> s, prefix_parent parent = {});

  /// Forgets the sequences of all owners whose names begin so.
  void forget(std::string_view owners);

  /// Forgets the least recently used sequence. False if there is none.
  bool drop_oldest();

  /// For each sequence, the most recently used first, until `see` returns false.
  template <class See>
  void for_each(See&& see) const {
    for (const auto& e : entries_)
      if (!see(std::string_view{e.owner}, *e.kept))
        return;
  }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t evictions() const noexcept { return evictions_; }

private:
  struct entry {
    std::uint64_t id = 0;
    std::uint64_t uses = 0;
    std::string owner;
    std::unique_ptr<sequence> kept;
  };
  using place = std::list<entry>::iterator;

  [[nodiscard]] bool is_open_to(const entry& e, std::string_view owner) const;
  [[nodiscard]] std::uint32_t reach_in(const entry& e, std::span<const std::uint32_t> tokens,
                                       std::uint32_t most) const;
  void erase(place e);
  void count(const sequence& s);
  void discount(const sequence& s);
  void drop_void();

  prefix_cache_options options_;
  const experts::maker_ledger* makers_;
  std::uint64_t condemnations_ = 0; // that drop_void() has seen
  std::list<entry> entries_;        // the most recently used first
  std::unordered_map<const gemma4::kv_block*, std::uint32_t> holders_;
  std::uint64_t bytes_ = 0;
  std::uint64_t next_id_ = 1;
  std::uint64_t evictions_ = 0;
};

} // namespace larql::generate
