// Which part of a call a relay computes itself, and which owners it asks for the rest.
//
// Errors    A call whose picks contradict themselves is errc::usage; sizes and numbers of its rows
//           are checked by whoever computes them.
// Memory    Proportional to the call's picks.
// Threads   Pure functions.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/experts/dispatch.hpp"
#include "runtime/experts/ownership.hpp"
#include "schema/messages.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace larql::actors {

/// Whether a call names experts that are not owned. Not if its picks make no sense.
[[nodiscard]] bool needs_others(const schema::expert_call& call, const experts::ownership& owned);

/// A call's picks, in its order. Fails if they are no whole numbers of picks, name rows that the
/// call has not, or do not ascend by expert.
[[nodiscard]] result<std::vector<experts::assignment>> picks_of(const schema::expert_call& call);

/// Somebody who may be asked.
struct owner_offer {
  experts::ownership owned;
  std::uint32_t in_flight = 0; ///< calls; with call_window of them nothing more goes there
  bool is_excluded = false;    ///< asked before for the same
};

/// What one owner is asked for.
struct owner_part {
  std::size_t owner = 0;                  ///< index of the offer
  std::vector<experts::assignment> picks; ///< rows as in the call
};

struct relay_split {
  std::vector<owner_part> parts;
  std::vector<std::uint32_t> missing; ///< experts without anybody to ask, ascending
  bool is_crowded = false;            ///< somebody owns one of these, but has too many calls
};

/// Gives each expert to an owner: to one that is asked anyway, else to the one with the fewest
/// calls.
/// @pre picks ascend by expert
[[nodiscard]] relay_split split_picks(std::uint32_t layer,
                                      std::span<const experts::assignment> picks,
                                      std::span<const owner_offer> owners);

/// The rows that picks name, ascending.
[[nodiscard]] std::vector<std::uint32_t> rows_in(std::span<const experts::assignment> picks);

/// Some rows of a call and picks of them as a call of its own.
///
/// Memory    Keeps its scratch between calls; the call that make() returns points into it.
class part_builder {
public:
  /// @pre rows are of the call, ascending, and all that the picks name
  [[nodiscard]] schema::expert_call make(const schema::expert_call& whole,
                                         std::span<const experts::assignment> picks,
                                         std::span<const std::uint32_t> rows);

private:
  std::vector<std::byte> activations_, scales_, pick_rows_, pick_experts_, pick_weights_;
};

} // namespace larql::actors
