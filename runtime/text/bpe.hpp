// Byte pair encoding by rank: the merges of one word.
//
// A word starts as its Unicode scalars. Again and again the neighbours with the lowest rank merge,
// the leftmost on ties, until no neighbours have a merge. Gemma's words are whole stretches of
// text, so a word may have megabytes: a heap of candidates and a linked list make it O(n log n).
//
// A scalar without a token becomes its UTF-8 bytes as tokens <0x00> to <0xFF>, or the unknown
// token; so does a byte that is not UTF-8. No word ever becomes a control token (added_tokens.hpp):
// merges that make one are left out, as is a control token of a single scalar.
//
// Errors    A missing byte or unknown token, a merge listed twice, too many merges.
// Threads   Immutable after building.
// Source    The BPE model of the Hugging Face tokenizers library; the rank is the place in the list
//           of merges.

#pragma once

#include "runtime/text/added_tokens.hpp"
#include "runtime/text/flat_map.hpp"
#include "runtime/text/tokenizer_rules.hpp"
#include "runtime/text/vocabulary.hpp"

#include <algorithm>
#include <array>

namespace larql::text {

class bpe {
public:
  /// Gemma has 514,906.
  static constexpr std::size_t max_merges = 1u << 22;

  [[nodiscard]] static result<bpe> build(const vocabulary& tokens, const added_tokens& added,
                                         const tokenizer_rules& rules);

  /// Makes room, before the first merge.
  void reserve(std::size_t merges) { merges_.reserve(std::min(merges, max_merges)); }
  /// Fetches what add_merge() will look at.
  void prefetch_merge(token_id left, token_id right) const noexcept {
    merges_.prefetch(pair_of(left, right));
  }
  /// The next merge in order of rank.
  [[nodiscard]] result<void> add_merge(token_id left, token_id right, token_id merged,
                                       const added_tokens& added);

  /// Appends the tokens of a word. Returns how many candidate merges it weighed: at most three for
  /// each scalar.
  /// @pre word has fewer than 2^32 - 1 bytes
  std::size_t encode(std::string_view word, std::vector<token_id>& out) const;

private:
  struct merge {
    std::uint32_t rank;
    token_id merged;
  };
  struct symbol;
  class merging;

  [[nodiscard]] static std::uint64_t pair_of(token_id left, token_id right) noexcept {
    return std::uint64_t{left} << 32 | right;
  }
  [[nodiscard]] std::vector<symbol> symbols_of(std::string_view word) const;

  flat_map<merge> merges_;     // by pair
  flat_map<token_id> scalars_; // tokens of one scalar
  std::array<token_id, 256> bytes_{};
  token_id unknown_ = 0;
  std::uint32_t ranks_ = 0;
  bool byte_fallback_ = false;
  bool fuse_unknown_ = false;
};

} // namespace larql::text
