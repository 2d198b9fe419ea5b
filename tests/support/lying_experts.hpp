// Experts of this machine that pass for those of a node, and give wrong sums for a while.

#pragma once

#include "tests/support/fake_experts.hpp"

namespace larql::test {

class lying_experts final : public experts::expert_port {
public:
  /// The node that has computed what is started from now on, and whether it lies.
  std::uint64_t incarnation = 1;
  bool lies = false;
  /// Called before each batch with the number of batches so far.
  std::function<void(std::size_t)> before_batch = [](std::size_t) {};
  experts::maker_ledger ledger;

  explicit lying_experts(experts::expert_port& real) : real_(real) {}

  result<experts::expert_ticket> start(const experts::expert_batch& batch,
                                       experts::ready_fn on_ready = {}) override {
    before_batch(batches_++);
    LARQL_TRY(auto real, real_.start(batch, std::move(on_ready)));
    return experts::expert_ticket{*new work{std::move(real), ledger.set_of(incarnation), lies}};
  }
  const experts::maker_ledger* makers() const noexcept override { return &ledger; }

private:
  class work final : public wrapped_work {
  public:
    work(experts::expert_ticket real, experts::maker_set makers, bool lies)
        : wrapped_work(std::move(real)), makers_(makers), lies_(lies) {}
    result<void> wait(std::span<std::int64_t> sums, const std::stop_token& stop) override {
      LARQL_TRY_VOID(wrapped_work::wait(sums, stop));
      if (lies_)
        for (auto i = std::size_t{0}; i < sums.size(); i += 3)
          sums[i] = -2 * sums[i];
      return {};
    }
    experts::call_stats stats() const override {
      auto out = wrapped_work::stats();
      out.makers = makers_;
      return out;
    }

  private:
    experts::maker_set makers_;
    bool lies_;
  };

  experts::expert_port& real_;
  std::size_t batches_ = 0;
};

} // namespace larql::test
