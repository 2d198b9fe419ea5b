// The router that a process uses at the moment. A router that fails is replaced
// (laptop_guard.hpp); the jobs that it had then go to its successor.
//
// Threads   Any.

#pragma once

#include "actors/core/interfaces.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>

namespace larql::actors {

class router_slot {
public:
  /// Counts the routers that there have been; 0: none yet.
  [[nodiscard]] std::uint64_t generation() const noexcept {
    return generation_.load(std::memory_order_acquire);
  }
  /// The router, and its generation.
  [[nodiscard]] std::pair<router_actor, std::uint64_t> get() const {
    const auto lock = std::scoped_lock{mutex_};
    return {router_, generation_.load()};
  }
  void set(router_actor router) {
    const auto lock = std::scoped_lock{mutex_};
    router_ = std::move(router);
    generation_.fetch_add(1, std::memory_order_release);
  }
  void clear() {
    const auto lock = std::scoped_lock{mutex_};
    router_ = nullptr;
  }

private:
  mutable std::mutex mutex_;
  router_actor router_;
  std::atomic<std::uint64_t> generation_{0};
};

} // namespace larql::actors
