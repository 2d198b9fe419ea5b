// Regular expressions as trees of their parts. What is known of them: regex.hpp.

#pragma once

#include "runtime/grammar/char_set.hpp"

#include <string_view>
#include <vector>

namespace larql::grammar {

/// Most repetitions of {m,n}.
inline constexpr std::uint32_t max_repetitions = 1000;

/// A part of an expression.
struct regex_term {
  enum class kind : std::uint8_t { characters, sequence, alternatives, repeat, begin, end };
  kind what = kind::sequence;
  char_set set; // of characters
  std::vector<regex_term>
      parts; // of a sequence, of alternatives, of a repeat the one that is repeated
  std::uint32_t min = 0, max = 0;

  /// An empty text may be one of it.
  [[nodiscard]] bool may_be_empty() const;
};

[[nodiscard]] result<regex_term> parse_regex(std::string_view expression);

} // namespace larql::grammar
