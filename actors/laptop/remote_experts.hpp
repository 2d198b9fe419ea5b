// expert_port over the router: the bridge between a session thread and the actors.
//
// Threads   One session thread. start() hands the job over and returns; wait() blocks until the
//           router has finished it, which it does within the failover deadline.
// Numerics  Rows are rounded here, once, by the rule that a node would apply (docs/numerics.md).
// Failure   A job that fails or is cancelled leaves the port ready for the next.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/core/pooled_message.hpp"
#include "actors/laptop/layer_job.hpp"
#include "actors/laptop/layer_times.hpp"
#include "runtime/experts/expert_port.hpp"
#include "runtime/kernels/linear.hpp"
#include "runtime/topology/topology.hpp"

#include <chrono>
#include <functional>
#include <vector>

namespace larql::actors {

/// Totals over the life of a port, for the report.
struct remote_stats {
  std::uint64_t layers = 0;
  std::uint64_t calls = 0;
  std::uint64_t retries = 0;
  std::uint64_t hedges = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  layer_times times; ///< of the last layers
};

class remote_experts final : public experts::expert_port {
public:
  /// Loops of `compute`'s pool give way to others between start() and wait().
  /// `formats[layer]` is what the layer's owners want rows rounded to. `cancelled` is asked several
  /// times a second while wait() waits; true ends the wait with errc::cancelled.
  remote_experts(caf::actor_system& sys, router_actor router, kernels::compute compute,
                 std::vector<quant::activation_format> formats, const topology::deadlines& limits,
                 std::function<bool()> cancelled = {});

  result<void> start(const experts::expert_batch& batch) override;
  result<void> wait(std::span<float> out) override;

  [[nodiscard]] const remote_stats& stats() const noexcept { return stats_; }

private:
  [[nodiscard]] result<void> finished(layer_job& job);
  void poll(const layer_job& job) const;
  [[nodiscard]] layer_job_ptr new_job();
  void record(const job_stats& s);

  caf::actor_system& sys_;
  router_actor router_;
  kernels::compute compute_;
  std::vector<quant::activation_format> formats_;
  std::chrono::milliseconds timeout_;
  std::function<bool()> cancelled_;
  std::chrono::nanoseconds usual_wait_{0}; // moving average
  layer_job_ptr job_;
  std::vector<layer_job_ptr> jobs_; // used again
  message_pool<caf::atom_value, layer_job_ptr> messages_;
  remote_stats stats_;
};

} // namespace larql::actors
