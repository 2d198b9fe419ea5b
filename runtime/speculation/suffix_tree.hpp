// Where a text has been before, and how it went on there.
//
// All substrings of a growing text, those that occur at the same places as one state: a suffix
// tree in its smallest form, the suffix automaton (Blumer et al., 1985). A text of n tokens has
// fewer than 2n states and 3n edges, and a token is appended in constant time on average.
//
// Numerics  Counts are exact, but an occurrence counts for at most `max_links` states, the longest
//           first: in a text that repeats one token the short ones would cost a step for each.
// Threads   One at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace larql::speculation {

class suffix_tree {
public:
  /// Between texts that have nothing to do with each other. No token; no match goes across it.
  static constexpr std::uint32_t separator = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t max_links = 64;

  /// A substring that occurs in the text.
  struct match {
    std::uint32_t state = 0;
    std::uint32_t length = 0; ///< tokens; 0: none
  };

  suffix_tree();

  void append(std::uint32_t token);
  void append(std::span<const std::uint32_t> tokens) {
    for (const auto t : tokens)
      append(t);
  }
  /// Tokens so far, separators included.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The longest suffix of the text that occurs in it before as well.
  [[nodiscard]] match repeated_suffix() const noexcept;
  /// The longest suffix of another text that occurs in this one.
  [[nodiscard]] match find_suffix(std::span<const std::uint32_t> text) const noexcept;

  /// Calls `f(token, match, count)` for everything that follows a match somewhere: the longer
  /// match, and how often it occurs. In no particular order; separators are among the tokens.
  template <class F>
  void for_each_next(const match& m, F&& f) const {
    for (auto e = states_[m.state].edges; e != none; e = edges_[e].next) {
      const auto to = edges_[e].to;
      f(edges_[e].token, match{to, m.length + 1}, states_[to].count);
    }
  }

private:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  struct state {
    std::uint32_t length = 0;   // of its longest string
    std::uint32_t link = none;  // the state of the longest suffix that occurs elsewhere as well
    std::uint32_t edges = none; // the first one
    std::uint32_t count = 0;    // occurrences
  };
  struct edge {
    std::uint32_t from;
    std::uint32_t token;
    std::uint32_t to;
    std::uint32_t next; // of the same state
  };

  [[nodiscard]] std::uint32_t find(std::uint32_t from, std::uint32_t token) const noexcept;
  void add(std::uint32_t from, std::uint32_t token, std::uint32_t to);
  [[nodiscard]] std::size_t slot_of(std::uint32_t from, std::uint32_t token) const noexcept;
  void grow();
  [[nodiscard]] std::uint32_t split(std::uint32_t from, std::uint32_t token, std::uint32_t to);

  std::vector<state> states_; // states_[0]: the empty string
  std::vector<edge> edges_;
  std::vector<std::uint32_t> table_; // by hash of state and token: an edge, or none
  std::uint32_t last_ = 0;           // the whole text
  std::size_t size_ = 0;
};

} // namespace larql::speculation
