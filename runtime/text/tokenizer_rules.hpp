// The rules of a tokenizer besides its lists: how text is normalised, cut and decoded, and what
// becomes of characters without a token.
//
// Threads   Plain values.

#pragma once

#include <string>
#include <string_view>

namespace larql::text {

/// Every occurrence of one string becomes another. An empty `from` replaces nothing.
struct text_replacement {
  std::string from;
  std::string to;

  [[nodiscard]] std::string apply(std::string_view text) const;
};

struct tokenizer_rules {
  text_replacement normalizer; // Gemma: " " to "▁"
  std::string split_after;     // pre-tokenizer: a word ends after each of these; empty: one word
  text_replacement decoder;    // Gemma: "▁" to " "
  std::string unknown;         // token of characters without one, if not spelled in bytes; or empty
  bool fuse_unknown = false;   // a run of unknown characters is one such token
  bool byte_fallback = false;  // characters without a token become tokens <0x00> to <0xFF>
  bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
};

} // namespace larql::text
