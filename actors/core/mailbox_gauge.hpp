// How many messages the actors of a process have not handled yet: a small number while every actor
// keeps up, a growing one when an actor is too slow or hangs.
//
// Numerics  Messages are counted when they come, and the count is corrected whenever an actor has
//           run. A message that comes at that moment may be missing until the actor's next run;
//           such errors do not add up.
// Threads   Any. A share's left() belongs to the thread that runs the actor.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace larql::actors {

class mailbox_gauge {
public:
  /// Messages in mailboxes, those that are being handled included.
  [[nodiscard]] std::uint64_t waiting() const noexcept {
    const auto n = waiting_.load(std::memory_order_relaxed);
    return n < 0 ? 0 : static_cast<std::uint64_t>(n);
  }
  void add(std::int64_t n) noexcept { waiting_.fetch_add(n, std::memory_order_relaxed); }

private:
  alignas(64) std::atomic<std::int64_t> waiting_{0};
};

/// One actor's share of the count. Without a gauge it counts nothing.
class mailbox_share {
public:
  explicit mailbox_share(std::shared_ptr<mailbox_gauge> gauge) : gauge_(std::move(gauge)) {}
  ~mailbox_share() { left(0); }
  mailbox_share(const mailbox_share&) = delete;
  mailbox_share& operator=(const mailbox_share&) = delete;

  /// A message comes.
  void came() noexcept {
    if (!gauge_)
      return;
    mine_.fetch_add(1, std::memory_order_relaxed);
    gauge_->add(1);
  }
  /// The actor has run; its mailbox holds this many messages.
  void left(std::size_t n) noexcept {
    if (!gauge_)
      return;
    const auto now = static_cast<std::int64_t>(n);
    gauge_->add(now - mine_.exchange(now, std::memory_order_relaxed));
  }

private:
  std::shared_ptr<mailbox_gauge> gauge_;
  std::atomic<std::int64_t> mine_{0};
};

} // namespace larql::actors
