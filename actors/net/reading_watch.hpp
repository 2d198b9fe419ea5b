// Whether a peer reads what is sent to it: one that takes nothing for a time, though something
// waits for it, is given up.
//
// Threads   Plain state of one connection.

#pragma once

#include "actors/net/caf_connection.hpp"

#include <chrono>
#include <optional>

namespace larql::actors {

class reading_watch {
public:
  using time = std::chrono::steady_clock::time_point;

  static constexpr auto default_limit = std::chrono::milliseconds{30'000};

  explicit reading_watch(std::chrono::milliseconds limit = default_limit) noexcept
      : limit_(limit) {}

  /// When to look again; none if nothing waits for the peer.
  [[nodiscard]] std::optional<time> next_look(const broker_connection& c, time now) const {
    if (c.unsent() == 0)
      return std::nullopt;
    return now + limit_ / 10;
  }

  /// False if the peer has taken nothing since `limit`, though something waited for it.
  [[nodiscard]] bool look(const broker_connection& c, time now) {
    if (c.unsent() == 0 || !since_ || c.sent() != sent_) {
      sent_ = c.sent();
      since_ = c.unsent() == 0 ? std::nullopt : std::optional{now};
      return true;
    }
    return now - *since_ < limit_;
  }

  /// Whether the peer had taken nothing for that long at the last look.
  [[nodiscard]] bool is_stuck_for(std::chrono::milliseconds span, time now) const {
    return since_ && now - *since_ >= span;
  }

private:
  std::chrono::milliseconds limit_;
  std::optional<time> since_; ///< when the peer took something last, if something waits
  std::uint64_t sent_ = 0;
};

} // namespace larql::actors
