// The events of one answer on their way from the backend's threads to the one that formats them.
// When too many bytes are unread, the backend is told to pause, and later to go on.
//
// Owner     Whoever hands the answer to a client.
// Threads   take() and drop() by one thread at a time; the others by any. No lock is held while the
//           handle is cancelled; pause() and resume() of the handle run under a lock of their own.

#pragma once

#include "cli/serve/api/completion_backend.hpp"

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

namespace larql::serve {

/// Nothing comes after it.
[[nodiscard]] bool is_last(const completion_event& event) noexcept;

class event_inbox {
public:
  using clock = std::chrono::steady_clock;

  /// @param max_unread_bytes with more of them the backend pauses
  explicit event_inbox(std::size_t max_unread_bytes) : max_unread_bytes_(max_unread_bytes) {}

  /// The answer can be paused and cancelled from now on. False if it was dropped meanwhile: then it
  /// is cancelled.
  [[nodiscard]] bool admit(std::unique_ptr<completion> handle);
  /// Does nothing after drop().
  void push(completion_event event);
  /// All that came, or as much as is `most_bytes` or a little more.
  [[nodiscard]] std::deque<completion_event> take(std::size_t most_bytes);

  /// Cancels the answer. What came can still be taken.
  void drop();
  /// The answer is over: what the backend keeps for it is free.
  void release();

  [[nodiscard]] bool is_dropped() const;
  [[nodiscard]] std::optional<clock::time_point> paused_since() const;

private:
  void apply_pause();

  const std::size_t max_unread_bytes_;

  mutable std::mutex mutex_; // guards what follows
  std::shared_ptr<completion> handle_;
  std::deque<completion_event> events_;
  std::size_t bytes_ = 0;
  std::optional<clock::time_point> paused_since_;
  bool is_dropped_ = false;

  std::mutex pause_mutex_; // held while the backend is told
  bool is_pause_told_ = false;
};

} // namespace larql::serve
