// Automata that call each other: what a schema becomes.
//
// A node is left along an edge, which takes one symbol, or freely. Some nodes do more:
//
//   call     runs the automaton that begins at `callee`, then goes on at `next`
//   repeat   runs the automaton at `callee` min to max times, then goes on at `next`
//   end      ends the automaton that was called, or everything
//
// A symbol is a byte, or one of a few control tokens that a text of bytes cannot spell.
//
// Threads   A network is immutable.

#pragma once

#include "runtime/base/result.hpp"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace larql::grammar {

using symbol = std::uint16_t;

/// Behind the 256 bytes.
inline constexpr symbol quote_symbol = 256;    ///< <|"|>
inline constexpr symbol call_end_symbol = 257; ///< <tool_call|>
inline constexpr std::size_t symbol_count = 258;

using node_id = std::uint32_t;

inline constexpr std::uint32_t unbounded = ~0u;

/// What text may follow a node and come back to it.
enum class text_kind : std::uint8_t {
  none,
  json, ///< of a string of JSON, without what must be escaped
  any   ///< all but control tokens
};

struct network {
  enum class kind : std::uint8_t { step, call, repeat, end };

  struct edge {
    symbol first; ///< the last one is taken as well
    symbol last;
    node_id to;
  };
  struct node {
    kind what = kind::step;
    text_kind text = text_kind::none;
    bool counted_text = false;    ///< text as far as the repeat that runs this allows
    std::uint32_t first_edge = 0; ///< of `edges`
    std::uint32_t edges = 0;
    std::uint32_t first_free = 0; ///< of `free_moves`
    std::uint32_t frees = 0;
    node_id callee = 0;
    node_id next = 0;
    std::uint32_t min = 0;
    std::uint32_t max = 0;
    /// Calls within calls that it takes at least to come to the end; unbounded: there is no way.
    std::uint32_t need = unbounded;
  };

  std::vector<node> nodes;
  std::vector<edge> edges;
  std::vector<node_id> free_moves;
  node_id start = 0;

  /// In the order of their first symbols.
  [[nodiscard]] std::span<const edge> edges_of(const node& n) const noexcept {
    return std::span{edges}.subspan(n.first_edge, n.edges);
  }
  [[nodiscard]] std::span<const node_id> free_moves_of(const node& n) const noexcept {
    return std::span{free_moves}.subspan(n.first_free, n.frees);
  }
};

/// Builds a network from its end to its begin: everything takes the node that comes next.
class network_builder {
public:
  static constexpr std::size_t max_nodes = 200'000;

  network_builder();

  /// The end of an automaton; one node serves all.
  [[nodiscard]] node_id end() const noexcept { return 0; }
  /// A node without moves; they are added by edge() and free().
  [[nodiscard]] node_id step();
  void edge(node_id from, symbol first, symbol last, node_id to);
  void free(node_id from, node_id to);
  void mark_text(node_id node, text_kind text, bool counted);

  [[nodiscard]] node_id bytes(std::string_view text, node_id next);
  [[nodiscard]] node_id symbols(std::span<const symbol> text, node_id next);
  /// A sequence of symbols, and where to go on behind it.
  struct branch {
    std::vector<symbol> symbols;
    node_id next;
  };
  /// Any of these; common beginnings are shared.
  [[nodiscard]] node_id any_sequence(std::vector<branch> branches);
  [[nodiscard]] node_id any_sequence(std::vector<std::vector<symbol>> sequences, node_id next);
  [[nodiscard]] node_id any_of(std::span<const node_id> starts);
  [[nodiscard]] node_id optional(node_id start, node_id next);
  [[nodiscard]] node_id call(node_id callee, node_id next);
  /// @pre what is called takes at least one symbol; min <= max
  [[nodiscard]] node_id repeat(node_id callee, std::uint32_t min, std::uint32_t max, node_id next);

  /// There are too many nodes: whatever is built now is of no use.
  [[nodiscard]] bool full() const noexcept { return nodes_.size() >= max_nodes; }

  /// Fails with `unsupported` if it is too large, `usage` if it can never come to an end.
  [[nodiscard]] result<network> finish(node_id start);

private:
  struct draft {
    network::node node;
    std::vector<network::edge> edges;
    std::vector<node_id> frees;
  };

  [[nodiscard]] node_id add(network::kind what, node_id callee, node_id next);
  [[nodiscard]] std::uint32_t need_of(const draft& d) const;
  void find_needs();

  std::vector<draft> nodes_;
};

} // namespace larql::grammar
