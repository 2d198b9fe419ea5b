// expert_port over experts of this process and of others: each assigned expert has exactly one
// place, and the two answers add up to the exact sum.
//
// Policy    An expert whose weights are on this machine is computed here; every other one is asked
//           for. The remote part starts first, and the local part is computed while its answers
//           travel.
// Owner     Borrows both ports, which outlive it.
// Errors    An error of one side cancels the other.

#pragma once

#include "runtime/experts/expert_port.hpp"
#include "runtime/experts/ownership.hpp"

#include <memory>
#include <vector>

namespace larql::experts {

class combined_experts final : public expert_port {
public:
  /// `local` computes the experts that `owned` contains.
  combined_experts(expert_port& local, const ownership& owned, expert_port& remote);
  ~combined_experts() override;

  result<expert_ticket> start(const expert_batch& batch, ready_fn on_ready = {}) override;
  const maker_ledger* makers() const noexcept override { return remote_.makers(); }

private:
  class work;

  expert_port& local_;
  ownership owned_;
  expert_port& remote_;
  std::vector<assignment> here_, there_;     // of the batch that is started
  std::vector<std::unique_ptr<work>> works_; // used again
};

} // namespace larql::experts
