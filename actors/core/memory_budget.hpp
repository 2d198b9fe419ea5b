// Memory that peers of a process can fill, bounded for all of them together: calls that wait and
// answers that nobody reads.
//
// Owner     One per process, shared by its connections.
// Threads   Any.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace larql::actors {

class memory_budget {
public:
  static constexpr std::uint64_t default_bytes = 256'000'000;

  explicit memory_budget(std::uint64_t limit = default_bytes) noexcept : limit_(limit) {}

  [[nodiscard]] std::uint64_t limit() const noexcept { return limit_; }
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
  std::atomic<std::uint64_t> used_{0};
};

/// What one connection holds of a budget, at most half of it; given back by the destructor.
///
/// Threads   Plain state of one connection.
class budget_share {
public:
  explicit budget_share(std::shared_ptr<memory_budget> budget) noexcept
      : budget_(std::move(budget)) {}
  ~budget_share() { budget_->give(held_); }
  budget_share(const budget_share&) = delete;
  budget_share& operator=(const budget_share&) = delete;

  /// Holds that much from now on. False, and nothing changes, if it is more than there is.
  [[nodiscard]] bool hold(std::uint64_t bytes) noexcept {
    if (bytes > held_ && (bytes > budget_->limit() / 2 || !budget_->take(bytes - held_)))
      return false;
    if (bytes < held_)
      budget_->give(held_ - bytes);
    held_ = bytes;
    return true;
  }

private:
  std::shared_ptr<memory_budget> budget_;
  std::uint64_t held_ = 0;
};

} // namespace larql::actors
