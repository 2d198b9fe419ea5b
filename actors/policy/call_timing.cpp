#include "actors/policy/call_timing.hpp"

#include "runtime/base/quantile.hpp"

#include <algorithm>
#include <utility>

namespace larql::actors {

namespace {

constexpr float share_of_new = 1.0f / 16;
// Of queueing: what others do at a node changes from call to call.
constexpr float queue_share_of_new = 1.0f / 4;

// Of the time for a byte: rates of links change within seconds.
constexpr float byte_share_of_new = 1.0f / 8;

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
  const auto away = total - compute - queue;
  if (s.bytes < many_bytes) {
    overhead_us_ +=
        (std::exchange(overhead_measured_, true) ? share_of_new : 1) * (away - overhead_us_);
  } else {
    const auto each = std::max(away - overhead_us_, 0.0f) / static_cast<float>(s.bytes);
    byte_us_ += (byte_us_ == 0 ? 1 : byte_share_of_new) * (each - byte_us_);
  }
  queue_us_ += queue_share_of_new * (queue - queue_us_);
  unit_us_ += share * (unit - unit_us_);
  measured_ = true;
  ratios_.add(total / std::max(s.expected_us, 1.0f));
}

std::chrono::microseconds call_timing::deadline(std::uint32_t units,
                                                const topology::deadlines& limits,
                                                std::uint64_t bytes) const {
  using std::chrono::microseconds;
  const auto floor = microseconds{limits.call_floor};
  const auto ceiling = microseconds{limits.call_ceiling} +
                       microseconds{static_cast<std::int64_t>(passing_us(bytes))};
  if (is_cold())
    return ceiling;
  const auto slow = static_cast<double>(expected_us(units, bytes)) * ratios_.quantile(0.99);
  const auto wanted = std::min(slow * limits.call_factor, static_cast<double>(ceiling.count()));
  return std::clamp(microseconds{static_cast<std::int64_t>(wanted)}, floor, ceiling);
}

std::chrono::microseconds call_timing::slow_after(std::uint32_t units, double quantile,
                                                  std::uint64_t bytes) const {
  if (is_cold())
    return std::chrono::microseconds{0};
  return std::chrono::microseconds{static_cast<std::int64_t>(
      static_cast<double>(expected_us(units, bytes)) * ratios_.quantile(quantile))};
}

} // namespace larql::actors
