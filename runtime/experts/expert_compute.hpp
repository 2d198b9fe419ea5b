// Computes owned experts for a batch of rows: act(gate · x) * (up · x), rounded, times down, times
// the routing weight, summed per row in fixed point.
//
// Shapes    sums: [rows][hidden] integers of 2^-32.
// Numerics  docs/numerics.md, "Sum over experts": addition of integers, so neither the order of
//           assignments nor their spread over nodes changes a bit.
// Threads   One caller at a time; uses the pool of its `compute`.
// Memory    Scratch grows with the largest batch, up to max_assignments_per_wave assignments.

#pragma once

#include "runtime/experts/dispatch.hpp"
#include "runtime/experts/expert_bank.hpp"
#include "runtime/kernels/linear.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace larql::experts {

class expert_compute {
public:
  expert_compute(kernels::compute compute, const expert_bank& bank)
      : compute_(compute), bank_(bank) {}

  /// Adds the assignments' outputs to `sums`. `x` has the format of bank.input_format(layer); rows
  /// of a layer whose gate and up want them otherwise are rounded here.
  /// Fails with `corrupt` if weights are damaged or a sum leaves the fixed-point range; `sums` is
  /// then of no use. Damage shows in the results, so weights are looked at only to name it.
  /// @pre every assignment is owned and its row exists; assignments are sorted by expert
  [[nodiscard]] result<void> run(std::uint32_t layer, const kernels::activation_view& x,
                                 std::span<const assignment> assignments,
                                 std::span<std::int64_t> sums);

private:
  /// Consecutive assignments of one expert.
  struct group {
    expert_weights weights;
    std::uint32_t expert;
    std::uint32_t first; ///< index of its first assignment in the wave
    std::uint32_t count;
    kernels::activation_view gate_inputs; ///< one row per assignment
    kernels::activation_view up_inputs;   ///< the same, where up wants them otherwise
  };

  /// The rows of a call, as gate and as up want them; the same view if they agree.
  struct input_views {
    kernels::activation_view gate;
    kernels::activation_view up;
  };

  /// Rows of weights per task: multiples of 16, because tasks split sums at lanes.
  struct task_rows {
    std::size_t hidden = 16;
    std::size_t output = 16;
  };

  [[nodiscard]] input_views round(const expert_weights& w, const kernels::activation_view& x);
  result<void> run_wave(std::uint32_t layer, const input_views& x,
                        std::span<const assignment> assignments, std::span<std::int64_t> sums);
  void announce(std::uint32_t layer, std::span<const assignment> assignments);
  void find_groups(std::uint32_t layer, std::span<const assignment> assignments);
  void find_inputs(const kernels::activation_view& x, std::span<const assignment> assignments,
                   kernels::activation_view group::*inputs, kernels::activation_rows& copied);
  [[nodiscard]] bool compute_hidden(std::span<const assignment> assignments);
  [[nodiscard]] bool compute_sums(std::span<const assignment> assignments,
                                  std::span<std::int64_t> sums);
  [[nodiscard]] failure what_is_wrong(std::uint32_t layer) const;

  kernels::compute compute_;
  const expert_bank& bank_;
  std::vector<group> groups_;
  std::vector<bool> announced_;                  // per owned layer and expert
  task_rows task_rows_;                          // of the wave
  kernels::activation_rows gate_rows_, up_rows_; // rows that each wants otherwise, rounded
  // Rows of groups whose rows do not stand together.
  kernels::activation_rows gate_copies_, up_copies_;
  kernels::activation_rows rounded_; // the hidden rows, rounded for down
  std::vector<float> hidden_;        // [assignments][width]
  std::vector<float> scratch_;       // per worker
};

} // namespace larql::experts
