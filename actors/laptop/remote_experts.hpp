// expert_port over the router: the bridge between the thread that runs passes and the actors.
//
// Threads   One caller. start() hands a job over and returns; a ticket's wait() blocks until the
//           router has finished the job, which it does within the failover deadline. Waiting on
//           CAF's network thread, which the router runs on, is a caller's bug.
// Numerics  Rows are rounded here, once, by the rule that a node would apply (docs/numerics.md).
// Failure   A job that fails or is cancelled leaves the port ready for the next. A router that
//           fails is replaced, and its jobs start again.

#pragma once

#include "actors/core/pooled_message.hpp"
#include "actors/laptop/layer_formats.hpp"
#include "actors/laptop/layer_job.hpp"
#include "actors/laptop/router_slot.hpp"
#include "runtime/experts/expert_port.hpp"
#include "runtime/kernels/linear.hpp"
#include "runtime/topology/topology.hpp"

#include <chrono>
#include <memory>
#include <vector>

namespace larql::actors {

class remote_experts final : public experts::expert_port {
public:
  /// Loops of `compute`'s pool offer their processor to others while a batch is under way.
  remote_experts(caf::actor_system& sys, std::shared_ptr<router_slot> router,
                 std::shared_ptr<const layer_formats> formats, kernels::compute compute,
                 const topology::deadlines& limits,
                 std::shared_ptr<const experts::maker_ledger> makers = nullptr);
  ~remote_experts() override;

  result<experts::expert_ticket> start(const experts::expert_batch& batch,
                                       experts::ready_fn on_ready = {}) override;
  const experts::maker_ledger* makers() const noexcept override { return makers_.get(); }

private:
  class work;

  void send(const layer_job_ptr& job, std::uint64_t& generation);
  void cancel(const layer_job_ptr& job);
  [[nodiscard]] layer_job_ptr new_job();
  void poll(const layer_job& job) const;
  void check_thread() const;

  caf::actor_system& sys_;
  std::shared_ptr<router_slot> router_;
  std::shared_ptr<const layer_formats> formats_;
  kernels::compute compute_;
  std::chrono::milliseconds timeout_;
  std::shared_ptr<const experts::maker_ledger> makers_;
  std::chrono::nanoseconds usual_wait_{0};   // moving average
  std::vector<layer_job_ptr> jobs_;          // used again
  std::vector<std::unique_ptr<work>> works_; // used again
  message_pool<caf::atom_value, layer_job_ptr> messages_;
};

} // namespace larql::actors
