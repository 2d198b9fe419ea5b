// A map from 64-bit keys to small values in one array: the tokenizer's large tables.
//
// Open addressing with linear probing, at most 5/8 full, a power of two of slots. A key is never
// further than `max_probes` from where it should be, so that neither building nor looking up can
// become quadratic, whatever keys a file was made of.
//
// Errors    insert() refuses a key that would need more probes. Gemma's tables need 40.
// Threads   Building is not thread-safe; afterwards lookups are.

#pragma once

#include "runtime/base/check.hpp"
#include "runtime/base/large_table.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace larql::text {

/// Loops over many keys prefetch the place of a key this many keys before its turn: the tables are
/// larger than the near caches, and tokens and merges are all over them.
inline constexpr auto fetch_ahead = std::size_t{16};

template <class Value>
class flat_map {
public:
  enum class insertion { done, present, crowded };

  /// Makes room for this many keys at once.
  /// @pre empty
  void reserve(std::size_t keys) {
    LARQL_CHECK(size_ == 0);
    (void) resize(std::max(std::bit_ceil(keys * 8 / 5 + 1), min_slots));
  }

  /// @pre key is not all ones: that marks a free slot
  insertion insert(std::uint64_t key, const Value& value) {
    LARQL_CHECK(key != free_key);
    if ((size_ + 1) * 8 > slots_.size() * 5 && !resize(std::max(slots_.size() * 2, min_slots)))
      return insertion::crowded;
    const auto done = place(key, value);
    size_ += done == insertion::done ? 1 : 0;
    return done;
  }

  /// The value of a key, or null.
  [[nodiscard]] const Value* find(std::uint64_t key) const noexcept {
    if (slots_.empty())
      return nullptr;
    const auto mask = slots_.size() - 1;
    auto at = home(key);
    for (auto probe = 0u; probe < max_probes; ++probe, at = (at + 1) & mask) {
      if (slots_[at].key == key)
        return &slots_[at].value;
      if (slots_[at].key == free_key)
        return nullptr;
    }
    return nullptr;
  }

  /// Fetches the place of a key into the caches, for a find() or insert() soon.
  void prefetch(std::uint64_t key) const noexcept {
    if (!slots_.empty())
      __builtin_prefetch(&slots_[home(key)]);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
  static constexpr std::uint64_t free_key = ~0ull;
  static constexpr std::size_t min_slots = 16; // a power of two
  static constexpr unsigned max_probes = 512;

  struct slot {
    std::uint64_t key = free_key;
    Value value{};
  };

  // Mixes all bits (the finaliser of MurmurHash3) and keeps the upper ones.
  [[nodiscard]] std::size_t home(std::uint64_t key) const noexcept {
    key = (key ^ (key >> 33)) * 0xff51afd7ed558ccdu;
    key = (key ^ (key >> 33)) * 0xc4ceb9fe1a85ec53u;
    return static_cast<std::size_t>(key >> shift_);
  }

  insertion place(std::uint64_t key, const Value& value) {
    const auto mask = slots_.size() - 1;
    auto at = home(key);
    for (auto probe = 0u; probe < max_probes; ++probe, at = (at + 1) & mask) {
      if (slots_[at].key == key)
        return insertion::present;
      if (slots_[at].key == free_key) {
        slots_[at] = {key, value};
        return insertion::done;
      }
    }
    return insertion::crowded;
  }

  // False if a key no longer fits.
  bool resize(std::size_t slots) {
    auto old = std::exchange(slots_, large_table<slot>(slots));
    shift_ = 64 - std::countr_zero(slots_.size());
    for (const auto& s : old)
      if (s.key != free_key && place(s.key, s.value) != insertion::done)
        return false;
    return true;
  }

  large_table<slot> slots_;
  std::size_t size_ = 0;
  int shift_ = 0; // keeps as many bits as there are slots
};

} // namespace larql::text
