#include "actors/net/wan_path.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace larql::actors {

namespace {

constexpr std::size_t segment_bytes = 1460;
// What Linux adds at least to the round trip that it has measured, before it takes silence for
// loss.
constexpr auto least_time_out = std::chrono::milliseconds{200};
constexpr auto no_limit = std::numeric_limits<std::size_t>::max();

std::chrono::nanoseconds time_for(std::size_t bytes, double rate) {
  return std::chrono::nanoseconds{
      static_cast<std::int64_t>(static_cast<double>(bytes) / rate * 1e9)};
}

// A full link and a full queue: what is sent beyond them is lost.
std::size_t most_window(const wan_profile& p, double rate) {
  if (rate <= 0)
    return no_limit;
  const auto seconds = std::chrono::duration<double>(p.round_trip).count();
  return std::max(p.first_window_bytes, static_cast<std::size_t>(rate * seconds) + p.queue_bytes);
}

} // namespace

wan_time wan_sender::send(wan_time now, std::size_t bytes, double rate, wan_time not_before) {
  busy_until_ = std::max({now, busy_until_, not_before});
  if (rate > 0)
    busy_until_ += time_for(bytes, rate);
  return busy_until_;
}

wan_time wan_sender::full_until(double rate, std::size_t queue_bytes) const {
  return rate > 0 ? busy_until_ - time_for(queue_bytes, rate) : wan_time{};
}

tcp_window::tcp_window(const wan_profile& p, double rate)
    : first_(p.round_trip.count() > 0 && p.first_window_bytes != 0
                 ? std::max(p.first_window_bytes, segment_bytes)
                 : no_limit),
      most_(first_ == no_limit ? no_limit : most_window(p, rate)),
      time_out_(p.round_trip + least_time_out),
      window_(first_) {}

std::size_t tcp_window::room(wan_time now) {
  if (first_ == no_limit)
    return no_limit;
  hear(now);
  rest(now);
  const auto left = window_ - std::min(window_, flying_);
  return left < segment_bytes ? 0 : left;
}

void tcp_window::sent(wan_time now, std::size_t bytes, wan_time acknowledged) {
  if (first_ == no_limit || bytes == 0)
    return;
  in_flight_.push_back({acknowledged, bytes});
  flying_ += bytes;
  sent_ += bytes;
  quiet_since_ = now;
  if (flying_ > most_flying_ || acknowledged_ >= round_ends_) {
    most_flying_ = flying_;
    round_ends_ = sent_;
  }
}

void tcp_window::hear(wan_time now) {
  while (!in_flight_.empty() && in_flight_.front().at <= now) {
    const auto bytes = in_flight_.front().bytes;
    in_flight_.pop_front();
    flying_ -= bytes;
    acknowledged_ += bytes;
    if (window_ < 2 * most_flying_) // else something else holds the sender back
      window_ = std::min(window_ + bytes, most_);
  }
}

void tcp_window::rest(wan_time now) {
  if (flying_ != 0 || sent_ == 0)
    return;
  for (; window_ > first_ && now - quiet_since_ > time_out_; quiet_since_ += time_out_)
    window_ = std::max(window_ / 2, first_);
}

// The integral of 1 - F(x)^n, where F is the distribution of a sum of two uniform numbers.
std::chrono::nanoseconds expected_jitter(std::chrono::nanoseconds jitter, std::size_t n) {
  if (jitter.count() <= 0 || n == 0)
    return std::chrono::nanoseconds{0};
  const auto share_below = [](double x) { return x < 1 ? x * x / 2 : 1 - (2 - x) * (2 - x) / 2; };
  constexpr auto steps = 2000;
  auto sum = 0.0;
  for (auto i = 0; i < steps; ++i)
    sum += 1 - std::pow(share_below((i + 0.5) * 2 / steps), static_cast<double>(n));
  return std::chrono::nanoseconds{
      static_cast<std::int64_t>(sum * 2 / steps * static_cast<double>(jitter.count()))};
}

} // namespace larql::actors
