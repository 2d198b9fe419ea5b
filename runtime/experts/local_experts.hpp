// expert_port on this machine's own bank: what runs without any node, and the reference that remote
// computation is compared with.

#pragma once

#include "runtime/experts/expert_compute.hpp"
#include "runtime/experts/expert_port.hpp"

namespace larql::experts {

class local_experts final : public expert_port {
public:
  local_experts(kernels::compute compute, const expert_bank& bank)
      : compute_(compute), bank_(bank), experts_(compute, bank) {}

  result<void> start(const expert_batch& batch) override;
  result<void> wait(std::span<float> out) override;

private:
  kernels::compute compute_;
  const expert_bank& bank_;
  expert_compute experts_;
  expert_batch batch_;
  kernels::quantized_inputs inputs_;
  std::vector<assignment> assignments_;
  std::vector<std::int64_t> sums_;
};

/// The picks of a batch sorted by expert, then row; ascending order makes weights stream.
void assignments_by_expert(const expert_batch& batch, std::vector<assignment>& out);

} // namespace larql::experts
