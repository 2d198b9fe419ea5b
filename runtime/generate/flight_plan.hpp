// How many passes are in flight at a time and how many rows each has, so that this machine, the
// network and the nodes are busy together: while the experts of one pass are away, another one is
// computed here. Chosen from what passes have cost.
//
// A pass of few rows leaves the weights' reading on both sides to few; one of many rows keeps the
// other side waiting. For each number of passes the model below says how long a layer takes for all
// rows: as long as the busiest of laptop, nodes and network needs for all passes, but no less than
// one pass takes from here to the nodes and back.
//
// Units     Nanoseconds for one layer.
// Threads   Plain state; one owner.

#pragma once

#include "runtime/models/gemma4/pass_stats.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace larql::generate {

/// What passes with experts on nodes have cost, by their rows.
class flight_costs {
public:
  /// A pass of so many rows has ended, or a few layers of it; one without calls to nodes is left
  /// out.
  void add(std::uint32_t rows, const gemma4::pass_stats& pass);
  /// A pass was seen.
  [[nodiscard]] bool is_known() const noexcept { return is_known_; }

  struct layer {
    double laptop = 0;  ///< computing here
    double nodes = 0;   ///< kernels of the slowest node
    double latency = 0; ///< of the network, whatever the rows
    double passing = 0; ///< bytes there and back
  };
  /// Of a pass of so many rows; nothing if not is_known(). @pre rows > 0
  [[nodiscard]] std::optional<layer> of(std::uint32_t rows) const;

private:
  struct seen {
    double rows = 0; ///< 0: none yet; a moving average, as all of these
    double laptop = 0, nodes = 0, network = 0;
  };
  static constexpr std::size_t sizes = 13; // of passes: 1, 2 to 3, 4 to 7, …, 4,096 and more

  [[nodiscard]] double between(double rows, double seen::*what) const;

  std::array<seen, sizes> seen_{};
  bool is_known_ = false;
};

struct flight {
  std::uint32_t passes = 1; ///< at a time
  std::uint32_t rows = 1;   ///< of each, at most

  friend bool operator==(const flight&, const flight&) = default;
};

/// For `rows` rows that are independent, or follow each other as the tokens of a prompt do, with at
/// most `most_rows` in a pass and `most_passes` at a time. @pre all are positive
[[nodiscard]] flight choose_flight(const flight_costs& costs, std::uint32_t rows,
                                   std::uint32_t most_rows, std::uint32_t most_passes);

/// Most rows, up to `most` and at least one, of a pass beside which one of a single row takes no
/// longer than `factor` times as long as alone; `most` before costs are known. @pre most > 0
[[nodiscard]] std::uint32_t rows_beside_one(const flight_costs& costs, double factor,
                                            std::uint32_t most);

} // namespace larql::generate
