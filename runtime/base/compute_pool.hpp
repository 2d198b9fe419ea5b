// A fixed set of threads that share the iterations of a loop.
//
// Blocking  parallel_for returns when every iteration is done; the calling thread works too.
// Threads   Any thread may call parallel_for. Loops of different threads run one after another,
//           also short loops and loops of a pool of one thread: `worker` names one thread at a
//           time. A loop body must not call parallel_for on the same pool.
// Order     Every thread starts with a contiguous part of the iterations and walks through it in
//           ascending order, so that a matrix streams from memory; a thread that is done takes
//           iterations from the end of another's part.
// Placement A pool with a thread for every processor binds each worker to one, other than the one
//           that the caller is on: polling threads are never idle, so the operating system does not
//           separate two that share a processor (docs/adr/0020). It places the threads of other
//           pools.
// Numerics  The pool decides who computes an iteration, never what it computes: loop bodies write
//           disjoint outputs, so results do not depend on the number of threads.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace larql {

class compute_pool {
public:
  /// `threads` counts the caller: 1 means that everything runs inline. 0 is taken as 1. Throws
  /// std::system_error if the system does not give that many.
  explicit compute_pool(unsigned threads);
  ~compute_pool();
  compute_pool(const compute_pool&) = delete;
  compute_pool& operator=(const compute_pool&) = delete;

  [[nodiscard]] unsigned threads() const noexcept {
    return static_cast<unsigned>(workers_.size()) + 1;
  }

  /// Calls `body(begin, end, worker)` for disjoint ranges that cover [0, count): `grain` iterations
  /// from a multiple of `grain`, fewer in the last one. count / grain must be below 2^32. `worker`
  /// is below threads() and names the thread, for scratch memory.
  template <class Body>
  void parallel_for(std::size_t count, std::size_t grain, Body&& body) {
    run(count, grain, &body, [](void* self, std::size_t begin, std::size_t end, unsigned worker) {
      (*static_cast<std::remove_reference_t<Body>*>(self))(begin, end, worker);
    });
  }

  /// Tells the workers that no loop follows soon: they sleep at once instead of polling for it,
  /// until the next one. Any thread may call it.
  void rest() noexcept;

  /// While a lease is held, threads that compute a loop yield their processor after every grain.
  /// Leases are held while answers of nodes are waited for: nodes on this machine get the processor
  /// first, and the rest of the loop fills the time in which their answers travel. Any thread may
  /// take and return a lease; the pool outlives it.
  struct return_lease {
    void operator()(std::atomic<unsigned>* leases) const noexcept {
      leases->fetch_sub(1, std::memory_order_relaxed);
    }
  };
  using yield_lease = std::unique_ptr<std::atomic<unsigned>, return_lease>;
  [[nodiscard]] yield_lease give_way() noexcept {
    yield_leases_.fetch_add(1, std::memory_order_relaxed);
    return yield_lease{&yield_leases_};
  }
  [[nodiscard]] bool gives_way() const noexcept {
    return yield_leases_.load(std::memory_order_relaxed) != 0;
  }

private:
  using body_fn = void (*)(void*, std::size_t, std::size_t, unsigned);

  void end_workers() noexcept;
  void run(std::size_t count, std::size_t grain, void* self, body_fn body);
  void make_way_for_caller() noexcept;
  void deal_out(std::size_t grains) noexcept;
  void do_grain(std::size_t grain_index, unsigned worker) noexcept;
  void work_on_job(unsigned worker) noexcept;
  void worker_loop(unsigned worker) noexcept;

  // One word holds what a worker must see at once: number of workers inside the job (bits 0-7),
  // whether the job still takes workers (bit 8), and the job's number (the rest). A worker that
  // wakes up late finds the job closed and is not waited for.
  static constexpr std::uint32_t active_mask = 0xff;
  static constexpr std::uint32_t open_bit = 0x100;
  static constexpr std::uint32_t job_step = 0x200;

  std::mutex callers_;
  void* self_ = nullptr;
  body_fn body_ = nullptr;
  std::size_t count_ = 0;
  std::size_t grain_ = 1;
  /// What is left of a worker's part, in grains: first (low half) and end (high half).
  struct alignas(64) part {
    std::atomic<std::uint64_t> left{0};
  };
  std::vector<part> parts_; // one for each thread
  alignas(64) std::atomic<std::uint32_t> state_{0};
  alignas(64) std::atomic<std::uint32_t> wake_{0};
  std::atomic<std::uint32_t> sleepers_{0};
  std::atomic<bool> resting_{false};
  std::atomic<unsigned> yield_leases_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
  /// Processors of the caller and of each worker, if the pool fills the machine.
  std::vector<int> processors_;
};

} // namespace larql
