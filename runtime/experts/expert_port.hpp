// The seam between the forward pass and wherever experts are computed: on this machine
// (local_experts.hpp), on other machines (actors/laptop/remote_experts.hpp), or on both
// (combined_experts.hpp).
//
// A batch is handed over by start() and answered by the ticket that start() returns. Any number of
// batches may be under way, of different prompts and sessions, and their tickets may be waited for
// in any order.
//
// Numerics  The answer for a row is the fixed-point sum (docs/numerics.md, "Sum over experts") of
//           weight * expert(x), as integers: adding the answers of several ports gives the bits of
//           one port that has all experts.
// Owner     A port outlives its tickets. Each batch has buffers of its own: what start() was given
//           may change as soon as it returns.
// Threads   One caller: the thread that runs passes. `on_ready` may be called from any thread.
// Errors    A failed batch leaves the port, and every other batch, as they were.

#pragma once

#include "runtime/base/result.hpp"
#include "runtime/experts/dispatch.hpp"
#include "runtime/experts/maker_ledger.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <utility>

namespace larql::experts {

/// One layer's work.
struct expert_batch {
  std::uint32_t layer = 0;
  std::uint32_t rows = 0;
  std::uint32_t hidden = 0;
  std::span<const float> x;                ///< [rows][hidden], after pre_feedforward_layernorm_2
  std::span<const assignment> assignments; ///< sorted by comes_before; not empty
  bool is_whole = true; ///< nobody else computes experts of these rows; their answer is all of it
};

/// What the calls to nodes for one batch cost; all zero for experts of this process.
struct call_stats {
  std::uint64_t calls = 0;
  std::uint64_t retries = 0; ///< calls made again after a failure or a deadline
  std::uint64_t hedges = 0;  ///< calls made twice because the first was slow
  std::uint64_t relayed = 0; ///< calls that a relay asked others for
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::chrono::nanoseconds slowest{0};         ///< round trip of the slowest call
  std::chrono::nanoseconds slowest_compute{0}; ///< kernels of that call
  std::chrono::nanoseconds slowest_queue{0};   ///< its wait at the node before them
  maker_set makers = 0;                        ///< nodes that had a part in the answer

  /// Both together: sums, and the times of the slower of the slowest calls.
  void add(const call_stats& other) {
    calls += other.calls;
    retries += other.retries;
    hedges += other.hedges;
    relayed += other.relayed;
    bytes_sent += other.bytes_sent;
    bytes_received += other.bytes_received;
    makers |= other.makers;
    if (other.slowest < slowest)
      return;
    slowest = other.slowest;
    slowest_compute = other.slowest_compute;
    slowest_queue = other.slowest_queue;
  }
};

/// One batch under way, as a port implements it. It belongs to the port, which may use its memory
/// for a later batch.
class expert_work {
public:
  /// wait() would not block on another machine.
  [[nodiscard]] virtual bool is_ready() const noexcept = 0;

  /// Computes, in the calling thread, what this process has of the batch, waits for the rest, and
  /// adds the [rows][hidden] sums to `sums`. Called at most once. Ends soon with errc::cancelled
  /// when `stop` is requested.
  [[nodiscard]] virtual result<void> wait(std::span<std::int64_t> sums,
                                          const std::stop_token& stop) = 0;

  /// Of this batch so far; complete after wait().
  [[nodiscard]] virtual call_stats stats() const = 0;

  /// The ticket is gone: whatever is still under way is cancelled. The last call.
  virtual void release() noexcept = 0;

protected:
  ~expert_work() = default;
};

/// The right to a batch's answer. Dropping it cancels the batch.
class expert_ticket {
public:
  expert_ticket() = default;
  explicit expert_ticket(expert_work& work) noexcept : work_(&work) {}
  expert_ticket(expert_ticket&& other) noexcept : work_(std::exchange(other.work_, nullptr)) {}
  expert_ticket& operator=(expert_ticket&& other) noexcept {
    if (this != &other) {
      drop();
      work_ = std::exchange(other.work_, nullptr);
    }
    return *this;
  }
  ~expert_ticket() { drop(); }

  [[nodiscard]] explicit operator bool() const noexcept { return work_ != nullptr; }
  [[nodiscard]] expert_work* operator->() const noexcept { return work_; }

  void drop() noexcept {
    if (auto* work = std::exchange(work_, nullptr))
      work->release();
  }

private:
  expert_work* work_ = nullptr;
};

/// Called once, when the batch's ticket has become ready. Must not block, and must not use the
/// ticket. It is not called any more once the ticket is dropped.
using ready_fn = std::function<void()>;

class expert_port {
public:
  virtual ~expert_port() = default;

  /// Hands over a batch. Does not wait for other machines; the caller computes something else next.
  [[nodiscard]] virtual result<expert_ticket> start(const expert_batch& batch,
                                                    ready_fn on_ready = {}) = 0;

  /// Whose answers have turned out to be wrong; null where all experts are this process's own.
  [[nodiscard]] virtual const maker_ledger* makers() const noexcept { return nullptr; }
};

} // namespace larql::experts
