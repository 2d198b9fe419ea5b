// An expert port whose batches become ready late, and in another order than they were started: as
// experts on other machines, without any.

#pragma once

#include "tests/support/fake_experts.hpp"
#include "tests/support/random_weights.hpp"

#include <algorithm>

namespace larql::test {

class late_experts final : public experts::expert_port {
public:
  /// How late each batch is follows from the seed: up to seven looks.
  late_experts(experts::expert_port& real, std::uint64_t seed) : real_(real), random_(seed) {}

  [[nodiscard]] std::size_t under_way() const noexcept { return under_way_; }
  [[nodiscard]] std::size_t most_under_way() const noexcept { return most_under_way_; }

  result<experts::expert_ticket> start(const experts::expert_batch& batch,
                                       experts::ready_fn on_ready = {}) override {
    LARQL_TRY(auto real, real_.start(batch, std::move(on_ready)));
    most_under_way_ = std::max(most_under_way_, ++under_way_);
    return experts::expert_ticket{*new work{*this, std::move(real), random_.below(8)}};
  }

private:
  class work final : public wrapped_work {
  public:
    work(late_experts& port, experts::expert_ticket real, std::uint32_t looks)
        : wrapped_work(std::move(real)), port_(port), looks_(looks) {}
    bool is_ready() const noexcept override { return looks_ == 0 || --looks_ == 0; }
    void release() noexcept override {
      --port_.under_way_;
      wrapped_work::release();
    }

  private:
    late_experts& port_;
    mutable std::uint32_t looks_;
  };

  experts::expert_port& real_;
  random_source random_;
  std::size_t under_way_ = 0, most_under_way_ = 0;
};

} // namespace larql::test
