// One layer's rows on their way through the router: what the session thread hands over and what it
// gets back. The one place where a session thread and actors meet.
//
// Threads   The session thread fills the input before sending the job and reads the output after
//           wait() says so. The router alone writes the output in between.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/experts/expert_compute.hpp"
#include "runtime/kernels/activations.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

namespace larql::actors {

/// What a job cost, for the report.
struct job_stats {
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint32_t calls = 0;
  std::uint32_t retries = 0;                   ///< calls made again after a failure or a deadline
  std::uint32_t hedges = 0;                    ///< calls made twice because the first was slow
  std::chrono::nanoseconds slowest{0};         ///< round trip of the slowest call
  std::chrono::nanoseconds slowest_compute{0}; ///< kernels of that call
};

struct layer_job {
  // Input.
  std::uint32_t layer = 0;
  std::uint32_t hidden = 0;
  kernels::activation_rows rows;
  std::uint32_t row_count = 0;
  std::vector<experts::assignment> assignments; ///< sorted by expert, then row

  // Output.
  std::vector<std::int64_t> sums; ///< [row_count][hidden]
  job_stats stats;

  /// Ready for another layer. @pre nobody else holds the job
  void reopen() {
    stats = {};
    done_.store(false);
    abandoned_.store(false);
    outcome_ = {};
  }

  /// Called once by the router.
  void finish(result<void> how) {
    {
      const auto lock = std::scoped_lock{mutex_};
      outcome_ = std::move(how);
      done_.store(true, std::memory_order_release);
    }
    changed_.notify_all();
  }

  /// Waits until the job is finished or `until` has passed; false if it has.
  [[nodiscard]] bool wait(std::chrono::steady_clock::time_point until) {
    auto lock = std::unique_lock{mutex_};
    return changed_.wait_until(lock, until, [this] { return is_finished(); });
  }
  /// For whoever polls.
  [[nodiscard]] bool is_finished() const noexcept { return done_.load(std::memory_order_acquire); }

  /// Nobody waits for this job any more: the router drops it.
  void abandon() noexcept { abandoned_.store(true); }
  [[nodiscard]] bool is_abandoned() const noexcept { return abandoned_.load(); }

  /// @pre finished
  [[nodiscard]] const result<void>& outcome() const { return outcome_; }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> done_{false};
  std::atomic<bool> abandoned_{false};
  result<void> outcome_;
};

} // namespace larql::actors
