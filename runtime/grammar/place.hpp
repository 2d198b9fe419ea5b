// Where a text stands in a network: the nodes that it may have come to, each with a stack of the
// calls that are not complete, as a value.
//
// Threads   A value of one owner.

#pragma once

#include "runtime/grammar/network.hpp"

#include <cstdint>
#include <vector>

namespace larql::grammar {

/// Where a text stands in a network. Copied in well below a microsecond.
struct place {
  static constexpr std::uint32_t no_stack = ~0u;

  /// A call that is not complete.
  struct frame {
    std::uint32_t below = no_stack; ///< number of a frame before it
    node_id node = 0;               ///< where to go on
    std::uint32_t count = 0;        ///< of a repeat: the run that is under way, from 1; else 0

    friend bool operator==(const frame&, const frame&) = default;
  };
  /// A node, and the innermost frame.
  struct position {
    node_id node = 0;
    std::uint32_t stack = no_stack;

    friend bool operator==(const position&, const position&) = default;
  };

  std::vector<frame> frames;
  std::vector<position> positions; ///< empty: no text can follow, and this one is none

  friend bool operator==(const place&, const place&) = default;
};

/// The same place as far as texts of at most `symbols` symbols can tell: counts of repeats that are
/// further than that from their bounds are moved together.
[[nodiscard]] place near(const place& from, const network& net, std::uint32_t symbols);

} // namespace larql::grammar
