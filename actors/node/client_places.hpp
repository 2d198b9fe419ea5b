// Which connection gives its place to a new one when all are taken.
//
// Operators have a few places of their own, and peers who proved nothing have a share of the places
// by address. A connection loses its place only if it is idle: laptops that are
// there send signs of life on quiet connections.
//
// Threads   client_activity: any. The rest: plain state of the node.

#pragma once

#include "actors/core/interfaces.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace larql::actors {

/// What a connection tells about itself.
struct client_activity {
  std::atomic<std::chrono::steady_clock::time_point> last{}; ///< frame
  std::atomic<bool> has_spoken{false};                       ///< since it was greeted
  std::atomic<std::uint32_t> pending{0};                     ///< calls and orders without an answer
  std::atomic<bool> unwanted{false}; ///< it lost its place: nothing more is sent
};

class client_places {
public:
  /// Connections at the same time, and places beside them that only operators get.
  static constexpr std::size_t most_connections = 256;
  static constexpr std::size_t reserved_for_operators = 16;
  static constexpr std::size_t most_unproven_per_address = 128;
  /// A connection is idle after this time without a frame, one that never sent any earlier.
  static constexpr auto idle_time = std::chrono::seconds{5};
  static constexpr auto silent_time = std::chrono::seconds{2};
  /// So many wait for a place, each so long at most: by then those that never sent anything are
  /// idle.
  static constexpr std::uint32_t most_waiting = 64;
  static constexpr auto longest_wait = std::chrono::milliseconds{3000};

  using time = std::chrono::steady_clock::time_point;

  struct place {
    bool is_operator = false; ///< opened without a model, for status and orders
    bool is_proven = false;   ///< by a certificate
    std::string address;      ///< of the host
    std::shared_ptr<client_activity> activity;
  };

  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
  [[nodiscard]] const std::map<client_actor, place>& all() const noexcept { return places_; }

  void add(const client_actor& c, place p) { places_.emplace(c, std::move(p)); }
  void remove(const client_actor& c) { places_.erase(c); }

  struct answer {
    bool is_free = false;               ///< there is a place
    std::optional<client_actor> victim; ///< else the connection to end for it; none: refuse
  };

  /// Whether there is a place for one like `p`.
  [[nodiscard]] answer find(const place& p, time now) const {
    const auto anyone = [](const place&) { return true; };
    const auto is_laptop = [](const place& other) { return !other.is_operator; };
    const auto is_near = [&](const place& other) {
      return !other.is_proven && other.address == p.address;
    };
    const auto operators = places_.size() - count(is_laptop);
    if (p.is_operator && operators < reserved_for_operators)
      return {true, std::nullopt};
    if (!p.is_proven && count(is_near) >= most_unproven_per_address)
      return {false, longest_idle(is_near, now)};
    if (places_.size() - std::min(operators, reserved_for_operators) < most_connections)
      return {true, std::nullopt};
    if (p.is_operator || operators > reserved_for_operators)
      return {false, longest_idle(anyone, now)};
    return {false, longest_idle(is_laptop, now)};
  }

private:
  template <class Fits>
  [[nodiscard]] std::size_t count(const Fits& fits) const {
    return static_cast<std::size_t>(std::count_if(
        places_.begin(), places_.end(), [&](const auto& entry) { return fits(entry.second); }));
  }

  template <class Fits>
  [[nodiscard]] std::optional<client_actor> longest_idle(const Fits& fits, time now) const {
    auto out = std::optional<client_actor>{};
    auto longest = std::chrono::steady_clock::duration{};
    for (const auto& [c, p] : places_) {
      const auto idle = now - p.activity->last.load();
      const auto limit = p.activity->has_spoken.load() ? idle_time : silent_time;
      if (!fits(p) || p.activity->pending.load() > 0 || idle < limit || (out && idle <= longest))
        continue;
      out = c;
      longest = idle;
    }
    return out;
  }

  std::map<client_actor, place> places_;
};

} // namespace larql::actors
