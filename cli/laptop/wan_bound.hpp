// What no implementation can beat: the least time of a pass, a prompt, or a round of sessions over
// a link, from what the link gives, the bytes that are sent, and the time in which both sides
// compute (docs/wan.md, "Bounds").
//
// Units     Seconds and bytes, of all layers together unless it says otherwise.
// Threads   Pure functions.

#pragma once

namespace larql::cli {

struct link_numbers {
  double round_trip = 0;            ///< with the mean of the latest node's jitter
  double up_bytes_per_second = 0;   ///< 0: no limit
  double down_bytes_per_second = 0; ///< 0: no limit
};

/// What some rows cost.
struct row_costs {
  double layers = 0;
  double bytes_up = 0, bytes_down = 0; ///< to and from all nodes
  double before = 0;                   ///< on the laptop, between the layers' round trips
  double meanwhile = 0;                ///< on the laptop, while experts are away
  double nodes = 0;                    ///< kernels of the slowest node
};

/// The time in which the bytes of some rows pass, up and then down.
[[nodiscard]] double transfer_seconds(const link_numbers& link, const row_costs& c);

/// Of one pass, whose layers wait for each other.
[[nodiscard]] double least_pass_seconds(const link_numbers& link, const row_costs& c);

/// Of a prompt whose chunks follow each other without a gap: what takes longest of bytes up, bytes
/// down and either side's computing, behind the round trips of the first chunk.
[[nodiscard]] double least_prompt_seconds(const link_numbers& link, const row_costs& c);

/// Of a round that gives one token to each of `sessions`, in passes of `groups`: one pass' time, or
/// what takes longest of all bytes and either side's computing. `c` is of all sessions.
/// @pre 1 <= groups
[[nodiscard]] double least_round_seconds(const link_numbers& link, const row_costs& c,
                                         double groups);

} // namespace larql::cli
