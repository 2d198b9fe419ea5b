#include "actors/policy/call_timing.hpp"

#include "runtime/base/quantile.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

constexpr float share_of_new = 1.0f / 16;
// Of queueing: what others do at a node changes from call to call.
constexpr float queue_share_of_new = 1.0f / 4;

float microseconds_of(std::chrono::nanoseconds t) {
  return static_cast<float>(t.count()) * 1e-3f;
}

} // namespace

void recent_values::add(float x) {
  values_[next_] = x;
  next_ = (next_ + 1) % capacity;
  size_ = std::min(size_ + 1, capacity);
}

float recent_values::quantile(double share) const {
  auto numbers = values_;
  return larql::quantile(std::span{numbers}.first(size_), share);
}

void call_timing::add(const call_sample& s) {
  const auto total = microseconds_of(s.total);
  const auto compute = std::clamp(microseconds_of(s.compute), 0.0f, total);
  const auto queue = std::clamp(microseconds_of(s.queue), 0.0f, total - compute);
  const auto unit = compute / static_cast<float>(std::max(s.units, 1u));
  const auto share = measured_ ? share_of_new : 1.0f;
  overhead_us_ += share * (total - compute - queue - overhead_us_);
  queue_us_ += queue_share_of_new * (queue - queue_us_);
  unit_us_ += share * (unit - unit_us_);
  measured_ = true;
  ratios_.add(total / std::max(s.expected_us, 1.0f));
}

std::chrono::microseconds call_timing::deadline(std::uint32_t units,
                                                const topology::deadlines& limits) const {
  using std::chrono::microseconds;
  const auto floor = microseconds{limits.call_floor}, ceiling = microseconds{limits.call_ceiling};
  if (is_cold())
    return ceiling;
  const auto slow = static_cast<double>(expected_us(units)) * ratios_.quantile(0.99);
  const auto wanted = std::min(slow * limits.call_factor, static_cast<double>(ceiling.count()));
  return std::clamp(microseconds{static_cast<std::int64_t>(wanted)}, floor, ceiling);
}

std::chrono::microseconds call_timing::slow_after(std::uint32_t units, double quantile) const {
  if (is_cold())
    return std::chrono::microseconds{0};
  return std::chrono::microseconds{static_cast<std::int64_t>(
      static_cast<double>(expected_us(units)) * ratios_.quantile(quantile))};
}

} // namespace larql::actors
