// The tokens of a vocabulary by their symbols: a tree whose nodes are in the order of a walk that
// goes deep first, so that a part that cannot follow is left out by one jump.
//
// Tokens of nothing but text (no quote, no escape, whole characters) are the greatest part, and all
// of them may follow inside a string. They are kept as one mask for each text_kind, and the others
// as a second, small tree.
//
// Control tokens are in no tree, but those that stand for a symbol.
//
// Memory    About 13 bytes a node; Gemma's 262,144 tokens have about 700,000.
// Threads   Immutable.

#pragma once

#include "runtime/grammar/network.hpp"
#include "runtime/text/tokenizer.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace larql::grammar {

class vocabulary_trie {
public:
  struct node {
    std::uint32_t end;         ///< number of the first node behind this one and all below it
    std::uint32_t first_token; ///< of `tokens`; those of the next node follow
    symbol s;
    std::uint16_t depth; ///< of the symbol, from 0
  };
  struct tree {
    std::vector<node> nodes; ///< and one more behind the last, for its first_token
    std::vector<std::uint32_t> tokens;

    [[nodiscard]] std::size_t size() const noexcept { return nodes.size() - 1; }
    [[nodiscard]] std::span<const std::uint32_t> tokens_of(std::size_t i) const noexcept {
      return std::span{tokens}.subspan(nodes[i].first_token,
                                       nodes[i + 1].first_token - nodes[i].first_token);
    }
  };

  explicit vocabulary_trie(const text::tokenizer& tokens);

  /// Tokens, control tokens included.
  [[nodiscard]] std::size_t vocabulary() const noexcept { return vocabulary_; }
  [[nodiscard]] const tree& all() const noexcept { return all_; }
  /// Those that are not plain text of this kind. @pre not none
  [[nodiscard]] const tree& others(text_kind kind) const noexcept {
    return others_[static_cast<std::size_t>(kind)];
  }
  /// Bits of the tokens that are plain text of this kind.
  [[nodiscard]] const std::vector<std::uint64_t>& plain(text_kind kind) const noexcept {
    return plain_[static_cast<std::size_t>(kind)];
  }
  /// Most symbols of a token, and characters.
  [[nodiscard]] std::uint32_t longest() const noexcept { return longest_; }

  /// The symbols of a token; none for a control token that is no symbol, and for an empty one.
  void symbols_of(std::uint32_t token, std::vector<symbol>& out) const;
  /// Bits of all tokens that are no control tokens.
  [[nodiscard]] const std::vector<std::uint64_t>& text_tokens() const noexcept { return text_; }

private:
  const text::tokenizer* tokens_;
  std::size_t vocabulary_ = 0;
  std::array<std::uint32_t, symbol_count - 256> control_{}; // tokens that stand for a symbol
  tree all_;
  std::array<tree, 3> others_;
  std::array<std::vector<std::uint64_t>, 3> plain_;
  std::vector<std::uint64_t> text_;
  std::uint32_t longest_ = 0;
};

} // namespace larql::grammar
