// What a node does with a call: check it, compute, pack the answer. No actors, no network.
//
// Errors    Whatever is wrong with a call becomes a wire::Failed that names the field and the
//           value; no input makes this throw, crash or allocate more than the call's own size
//           implies.
// Threads   One caller (the shard's thread); computing spreads over the pool.

#pragma once

#include "runtime/experts/expert_bank.hpp"
#include "runtime/experts/expert_compute.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "schema/messages.hpp"

#include <chrono>
#include <span>
#include <vector>

namespace larql::actors {

class expert_service {
public:
  expert_service(kernels::compute compute, const experts::expert_bank& bank,
                 schema::node_description self);

  [[nodiscard]] const schema::node_description& self() const noexcept { return self_; }

  /// What a call took.
  struct work {
    std::uint32_t layer = 0;
    std::uint32_t rows = 0;
    std::uint32_t experts = 0;     ///< read, each once
    std::uint64_t expert_rows = 0; ///< rows put through one
    std::chrono::nanoseconds compute_time{0};
  };

  /// Answers one call: a failure, a result, or its pieces one behind the other, each a whole frame.
  /// `arrived` is when the call came in. The frames are made in the memory of `into`.
  struct answer {
    std::vector<char> frame;
    bool ok = false;
    work done; ///< if ok
  };
  [[nodiscard]] answer run(const schema::expert_call& call,
                           std::chrono::steady_clock::time_point arrived,
                           std::vector<char> into = {});

private:
  [[nodiscard]] result<void> check(const schema::expert_call& call) const;
  [[nodiscard]] result<void> load_rows(const schema::expert_call& call);
  [[nodiscard]] result<void> load_assignments(const schema::expert_call& call);
  [[nodiscard]] result<void> compute(const schema::expert_call& call);
  [[nodiscard]] work work_of(const schema::expert_call& call) const;
  [[nodiscard]] result<void> prepare(const schema::expert_call& call, schema::failure_code& code);

  kernels::compute compute_;
  const experts::expert_bank& bank_;
  schema::node_description self_;
  experts::expert_compute compute_experts_;
  kernels::activation_rows rows_;
  std::vector<experts::assignment> assignments_;
  std::vector<std::uint16_t> assignments_per_row_;
  std::vector<std::int64_t> sums_;
  std::vector<float> row_; // scales or numbers of one row
  std::vector<std::byte> widths_;
  std::vector<std::byte> packed_;
};

/// What a node with this bank says it is.
[[nodiscard]] schema::node_description describe(const vindex::model_config& model,
                                                const experts::expert_bank& bank,
                                                const vindex::weights_names& weights,
                                                std::string name, std::uint64_t incarnation);

} // namespace larql::actors
