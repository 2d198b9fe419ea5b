// expert_port on this machine's own bank: what runs without any node, and the reference that remote
// computation is compared with. The experts are computed in wait(), by the caller and its pool.

#pragma once

#include "runtime/experts/expert_compute.hpp"
#include "runtime/experts/expert_port.hpp"

#include <memory>
#include <vector>

namespace larql::experts {

class local_experts final : public expert_port {
public:
  local_experts(kernels::compute compute, const expert_bank& bank);
  ~local_experts() override;

  /// Fails with `internal` if an assigned expert is not in the bank.
  result<expert_ticket> start(const expert_batch& batch, ready_fn on_ready = {}) override;

private:
  class work;

  kernels::compute compute_;
  const expert_bank& bank_;
  expert_compute experts_;
  std::vector<std::unique_ptr<work>> works_; // used again
};

} // namespace larql::experts
