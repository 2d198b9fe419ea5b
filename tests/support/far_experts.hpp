// An expert port that says what calls to nodes 45 ms away would have cost, without any.

#pragma once

#include "tests/support/fake_experts.hpp"

#include <chrono>

namespace larql::test {

class far_experts final : public experts::expert_port {
public:
  explicit far_experts(experts::expert_port& real) : real_(real) {}

  result<experts::expert_ticket> start(const experts::expert_batch& batch,
                                       experts::ready_fn on_ready = {}) override {
    LARQL_TRY(auto real, real_.start(batch, std::move(on_ready)));
    return experts::expert_ticket{*new work{std::move(real), batch.rows}};
  }

private:
  class work final : public wrapped_work {
  public:
    work(experts::expert_ticket real, std::uint32_t rows)
        : wrapped_work(std::move(real)), rows_(rows) {}
    experts::call_stats stats() const override {
      auto out = experts::call_stats{};
      out.calls = 1;
      out.slowest_compute = std::chrono::milliseconds{1};
      out.slowest = std::chrono::milliseconds{46 + 3 * rows_};
      return out;
    }

  private:
    std::uint32_t rows_;
  };

  experts::expert_port& real_;
};

} // namespace larql::test
