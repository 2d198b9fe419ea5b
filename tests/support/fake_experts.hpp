// Expert ports for tests of the forward pass: one that fails when told to, around a real one.

#pragma once

#include "runtime/experts/expert_port.hpp"

#include <cstddef>

namespace larql::test {

/// Passes everything on, but fails the calls that are due.
class failing_experts final : public experts::expert_port {
public:
  explicit failing_experts(experts::expert_port& real) : real_(real) {}

  /// The n-th start() or wait() from now fails; 0 is the next one. Later ones work again.
  void fail_start(std::size_t n) { fail_start_ = starts_ + n; }
  void fail_wait(std::size_t n) { fail_wait_ = waits_ + n; }

  [[nodiscard]] std::size_t starts() const noexcept { return starts_; }

  result<void> start(const experts::expert_batch& batch) override {
    if (starts_++ == fail_start_)
      return fail(errc::unavailable, "nobody has layer {}", batch.layer);
    return real_.start(batch);
  }
  result<void> wait(std::span<float> out) override {
    if (waits_++ == fail_wait_)
      return fail(errc::deadline, "no answer in time");
    return real_.wait(out);
  }

private:
  static constexpr auto never = ~std::size_t{0};

  experts::expert_port& real_;
  std::size_t starts_ = 0, waits_ = 0;
  std::size_t fail_start_ = never, fail_wait_ = never;
};

} // namespace larql::test
