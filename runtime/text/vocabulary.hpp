// The tokens of a model: the text of every id, and the id of every text.
//
// Owner     One arena holds the texts; views into it live as long as the vocabulary.
// Errors    A repeated text or id, an id out of range, and a gap between the ids.
// Threads   Immutable once complete.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/text/flat_map.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace larql::text {

/// Number of a token, from 0. The same numbers go into the model.
using token_id = std::uint32_t;

class vocabulary {
public:
  /// Four times Gemma's 262,144, against absurd files.
  static constexpr std::size_t max_tokens = 1u << 20;

  using text_hash = std::uint64_t;
  [[nodiscard]] static text_hash hash_of(std::string_view text) noexcept;

  /// Makes room, before the first token.
  void reserve(std::size_t tokens) { ids_by_text_hash_.reserve(std::min(tokens, max_tokens)); }
  [[nodiscard]] result<void> add(std::string_view piece, std::uint64_t id) {
    return add(piece, id, hash_of(piece));
  }
  /// @pre hash is hash_of(piece)
  [[nodiscard]] result<void> add(std::string_view piece, std::uint64_t id, text_hash hash);
  /// Every id from 0 to size() - 1 must have a token by now.
  [[nodiscard]] result<void> check_complete() const;

  [[nodiscard]] std::optional<token_id> find(std::string_view piece) const noexcept;

  /// The token whose text has this hash, without a look at its text: a text that is no token's has
  /// such a hash with a probability of size() / 2^64.
  [[nodiscard]] std::optional<token_id> find(text_hash hash) const noexcept;
  /// Fetches what find(hash) and add() will look at.
  void prefetch(text_hash hash) const noexcept { ids_by_text_hash_.prefetch(hash); }

  /// @pre id < size() and the vocabulary is complete
  [[nodiscard]] std::string_view piece(token_id id) const noexcept {
    return {arena_.data() + pieces_[id].offset, pieces_[id].length};
  }
  [[nodiscard]] std::size_t size() const noexcept { return pieces_.size(); }

private:
  static constexpr std::uint32_t no_piece = ~0u; // length of an id that has no token yet

  struct piece_range {
    std::uint32_t offset = 0;
    std::uint32_t length = no_piece;
  };

  std::string arena_;
  std::vector<piece_range> pieces_;     // by id
  flat_map<token_id> ids_by_text_hash_; // two texts of one 64-bit hash are refused
};

} // namespace larql::text
