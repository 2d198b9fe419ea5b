// One layer's rows on their way through the router: what the thread that runs passes hands over and
// what it gets back. The one place where that thread and actors meet.
//
// Threads   The pass thread fills the input before sending the job and reads the output after
//           wait() says so. The router alone writes the output in between.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/experts/expert_port.hpp"
#include "runtime/kernels/activations.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <vector>

namespace larql::actors {

struct layer_job {
  // Input.
  std::uint32_t layer = 0;
  std::uint32_t hidden = 0;
  kernels::activation_rows rows;
  std::uint32_t row_count = 0;
  std::vector<experts::assignment> assignments; ///< sorted by experts::comes_before
  bool is_whole = true;                         ///< nothing else is added to these rows' sums
  experts::ready_fn on_ready; ///< called once when the job is finished; may be empty

  // Output.
  std::vector<std::int64_t> sums; ///< [row_count][hidden]
  experts::call_stats stats;

  /// Makes the job ready for another layer. @pre the caller is its only holder
  void reopen() {
    stats = {};
    on_ready = {};
    state_.store(state::open);
    abandoned_.store(false);
    outcome_ = {};
  }

  /// Called once by the router.
  void finish(result<void> how) { end(state::finished, std::move(how)); }
  /// Called when the router ends before the job is finished; another router may compute it.
  void lose() { end(state::lost, {}); }

  /// Waits until the job has ended, `until` has passed, or `stop` is requested; true if it has
  /// ended.
  [[nodiscard]] bool wait(std::chrono::steady_clock::time_point until,
                          const std::stop_token& stop) {
    auto lock = std::unique_lock{mutex_};
    return changed_.wait_until(lock, stop, until, [this] { return has_ended(); });
  }
  /// For polling.
  [[nodiscard]] bool has_ended() const noexcept {
    return state_.load(std::memory_order_acquire) != state::open;
  }
  [[nodiscard]] bool is_lost() const noexcept {
    return state_.load(std::memory_order_acquire) == state::lost;
  }

  /// The answer is not wanted any more: the router drops the job.
  void abandon() {
    const auto lock = std::scoped_lock{mutex_}; // on_ready is not running afterwards
    abandoned_.store(true);
  }
  [[nodiscard]] bool is_abandoned() const noexcept { return abandoned_.load(); }

  /// @pre finished
  [[nodiscard]] const result<void>& outcome() const { return outcome_; }

private:
  enum class state : std::uint8_t { open, finished, lost };

  void end(state how, result<void> outcome) {
    {
      const auto lock = std::scoped_lock{mutex_};
      outcome_ = std::move(outcome);
      state_.store(how, std::memory_order_release);
      if (on_ready && !abandoned_.load())
        on_ready();
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::atomic<state> state_{state::open};
  std::atomic<bool> abandoned_{false};
  result<void> outcome_;
};

} // namespace larql::actors
