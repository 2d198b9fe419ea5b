// Expert ports for tests of the forward pass: one that fails when told to, and one whose batches
// are ready when the test says so, each around a real one.

#pragma once

#include "runtime/experts/expert_port.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace larql::test {

/// A ticket of another port, passed through a hook.
class wrapped_work : public experts::expert_work {
public:
  explicit wrapped_work(experts::expert_ticket real) : real_(std::move(real)) {}
  virtual ~wrapped_work() = default;

  bool is_ready() const noexcept override { return real_->is_ready(); }
  result<void> wait(std::span<std::int64_t> sums, const std::stop_token& stop) override {
    return real_->wait(sums, stop);
  }
  experts::call_stats stats() const override { return real_->stats(); }
  void release() noexcept override { delete this; }

private:
  experts::expert_ticket real_;
};

/// Passes everything on, but fails the calls that are due.
class failing_experts final : public experts::expert_port {
public:
  explicit failing_experts(experts::expert_port& real) : real_(real) {}

  /// The n-th start() or wait() from now fails; 0 is the next one. Later ones work again.
  void fail_start(std::size_t n) { fail_start_ = starts_ + n; }
  void fail_wait(std::size_t n) { fail_wait_ = waits_ + n; }

  [[nodiscard]] std::size_t starts() const noexcept { return starts_; }
  /// Whether the last batch was all that its rows have.
  [[nodiscard]] bool last_was_whole() const noexcept { return last_was_whole_; }

  /// Called at the beginning of each start().
  std::function<void()> on_start = [] {};

  result<experts::expert_ticket> start(const experts::expert_batch& batch,
                                       experts::ready_fn on_ready = {}) override {
    on_start();
    last_was_whole_ = batch.is_whole;
    if (starts_++ == fail_start_)
      return fail(errc::unavailable, "nobody has layer {}", batch.layer);
    LARQL_TRY(auto real, real_.start(batch, std::move(on_ready)));
    return experts::expert_ticket{*new work{*this, std::move(real)}};
  }

private:
  static constexpr auto never = ~std::size_t{0};

  class work final : public wrapped_work {
  public:
    work(failing_experts& port, experts::expert_ticket real)
        : wrapped_work(std::move(real)), port_(port) {}
    result<void> wait(std::span<std::int64_t> sums, const std::stop_token& stop) override {
      if (port_.waits_++ == port_.fail_wait_)
        return fail(errc::deadline, "no answer in time");
      return wrapped_work::wait(sums, stop);
    }

  private:
    failing_experts& port_;
  };

  experts::expert_port& real_;
  std::size_t starts_ = 0, waits_ = 0;
  std::size_t fail_start_ = never, fail_wait_ = never;
  bool last_was_whole_ = false;
};

} // namespace larql::test
