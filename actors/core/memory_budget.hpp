// Memory that peers of a process can fill, bounded for all of them together: calls that wait and
// answers that nobody reads.
//
// Owner     One per process, shared by its connections.
// Threads   Any.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace larql::actors {

class memory_budget {
public:
  static constexpr std::uint64_t default_bytes = 256'000'000;
  /// What each connection may hold without being counted: the call of a token and its answer find a
  /// place however much the others hold. All connections together hold a few megabytes so.
  static constexpr std::uint64_t default_free_bytes = 64'000;

  explicit memory_budget(std::uint64_t limit = default_bytes,
                         std::uint64_t free_bytes = default_free_bytes) noexcept
      : limit_(limit), free_bytes_(free_bytes) {}

  [[nodiscard]] std::uint64_t limit() const noexcept { return limit_; }
  [[nodiscard]] std::uint64_t free_bytes() const noexcept { return free_bytes_; }
  [[nodiscard]] std::uint64_t used() const noexcept { return used_.load(); }

  /// False if that much is not left.
  [[nodiscard]] bool take(std::uint64_t bytes) noexcept {
    auto before = used_.load();
    do {
      if (before > limit_ || bytes > limit_ - before)
        return false;
    } while (!used_.compare_exchange_weak(before, before + bytes));
    return true;
  }
  void give(std::uint64_t bytes) noexcept { used_.fetch_sub(bytes); }

private:
  const std::uint64_t limit_;
  const std::uint64_t free_bytes_;
  std::atomic<std::uint64_t> used_{0};
};

/// What one connection holds of a budget; given back by the destructor.
///
/// Threads   Plain state of one connection.
class budget_share {
public:
  explicit budget_share(std::shared_ptr<memory_budget> budget) noexcept
      : budget_(std::move(budget)) {}
  ~budget_share() { budget_->give(held_); }
  budget_share(const budget_share&) = delete;
  budget_share& operator=(const budget_share&) = delete;

  /// Holds that much from now on: at most half of the budget for what is `kept`, and what passes
  /// through beside it. False, and nothing changes, if it is more than there is.
  [[nodiscard]] bool hold(std::uint64_t kept, std::uint64_t passing = 0) noexcept {
    const auto all = kept + passing;
    const auto counted = all - std::min(all, budget_->free_bytes());
    if (counted > held_ && (kept > budget_->limit() / 2 || !budget_->take(counted - held_)))
      return false;
    if (counted < held_)
      budget_->give(held_ - counted);
    held_ = counted;
    return true;
  }

private:
  std::shared_ptr<memory_budget> budget_;
  std::uint64_t held_ = 0;
};

} // namespace larql::actors
