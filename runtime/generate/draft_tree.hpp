// Guesses of how a text goes on: a chain of tokens, or a tree of several.
//
// Draft i comes after draft parents[i], which is below i, or directly behind the text if that is
// -1. A drafter makes it (speculation/drafter.hpp), a pass computes its rows, and a generation
// takes the branch that plain decoding would have given (generation.hpp).
//
// Owner     A value. Threads: one at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace larql::generate {

struct draft_tree {
  /// Most rows of a tree and of the token before it: kv_cache::max_drafts.
  static constexpr std::size_t max_rows = 32;

  std::vector<std::uint32_t> tokens;
  std::vector<std::int32_t> parents;
  /// How likely a draft is the next token if its parent was, as its drafter sees it.
  std::vector<float> chances;

  /// Each token after the one before it.
  [[nodiscard]] static draft_tree chain(std::span<const std::uint32_t> tokens);

  [[nodiscard]] std::size_t size() const noexcept { return tokens.size(); }
  [[nodiscard]] bool empty() const noexcept { return tokens.empty(); }

  /// Adds a draft and returns its number. @pre parent is -1 or a draft's number
  std::int32_t add(std::uint32_t token, std::int32_t parent, float chance);
  /// The draft that stands on a branch behind `parent` and is this token; -1: none.
  [[nodiscard]] std::int32_t child(std::int32_t parent, std::uint32_t token) const noexcept;
  /// Drafts from the text to this one: 1 if it is directly behind the text.
  [[nodiscard]] std::uint32_t depth(std::size_t draft) const noexcept;
  /// Keeps those drafts, and of them those whose parents are kept; `keep` is by number.
  void keep_only(const std::vector<bool>& keep);

  friend bool operator==(const draft_tree&, const draft_tree&) = default;
};

} // namespace larql::generate
