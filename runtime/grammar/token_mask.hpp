// Which tokens may come next.
//
// A mask of few tokens is a list of them; another is one bit for each token of the vocabulary.
// Masks are shared and never change.
//
// Threads   Immutable.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace larql::grammar {

class token_mask {
public:
  /// Of these tokens, at least one. @pre ascending, without repeats, all < vocabulary
  [[nodiscard]] static token_mask of_list(std::vector<std::uint32_t> tokens,
                                          std::size_t vocabulary);
  /// Token i has bit i % 64 of word i / 64. Becomes a list if few are allowed. @pre one is
  [[nodiscard]] static token_mask of_bits(std::vector<std::uint64_t> bits, std::size_t vocabulary);

  [[nodiscard]] bool allows(std::uint32_t token) const noexcept;
  [[nodiscard]] std::uint32_t first() const noexcept; ///< the allowed token with the lowest id
  [[nodiscard]] std::size_t count() const noexcept { return count_; } ///< of allowed ones
  [[nodiscard]] std::size_t vocabulary() const noexcept { return vocabulary_; }

  /// Whether it is a list; else it is bits.
  [[nodiscard]] bool is_list() const noexcept { return bits_.empty(); }
  [[nodiscard]] std::span<const std::uint32_t> list() const noexcept { return list_; }
  [[nodiscard]] std::span<const std::uint64_t> bits() const noexcept { return bits_; }
  [[nodiscard]] std::size_t size_bytes() const noexcept;

  friend bool operator==(const token_mask&, const token_mask&) = default;

private:
  std::vector<std::uint32_t> list_;
  std::vector<std::uint64_t> bits_;
  std::size_t vocabulary_ = 0;
  std::size_t count_ = 0;
};

/// Null: all tokens.
using mask_ptr = std::shared_ptr<const token_mask>;

} // namespace larql::grammar
