#include "runtime/base/compute_pool.hpp"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace larql {

namespace {

// How long an idle worker polls before it sleeps. Loops of one token follow each other within
// microseconds, and a futex wake-up costs 25 to 50 of them; but a worker that polls for long takes
// the core from other processes on a small machine.
constexpr int spins_before_sleep = 2000;

void pause_cpu() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

} // namespace

compute_pool::compute_pool(unsigned threads) {
  const auto workers = std::clamp(threads, 1u, 255u) - 1;
  workers_.reserve(workers);
  for (auto i = 0u; i < workers; ++i)
    workers_.emplace_back([this, i] { worker_loop(i + 1); });
}

compute_pool::~compute_pool() {
  stop_.store(true);
  wake_.fetch_add(1);
  wake_.notify_all();
  for (auto& worker : workers_)
    worker.join();
}

void compute_pool::run(std::size_t count, std::size_t grain, void* self, body_fn body) {
  grain = std::max<std::size_t>(grain, 1);
  if (count == 0)
    return;
  if (workers_.empty() || count <= grain) {
    for (auto begin = std::size_t{0}; begin < count; begin += grain)
      body(self, begin, std::min(begin + grain, count), 0);
    return;
  }
  const auto lock = std::scoped_lock{callers_};
  self_ = self;
  body_ = body;
  count_ = count;
  grain_ = grain;
  next_.store(0, std::memory_order_relaxed);
  const auto job = (state_.load(std::memory_order_relaxed) & ~(open_bit | active_mask)) + job_step;
  state_.store(job | open_bit);
  wake_.fetch_add(1);
  if (sleepers_.load() != 0)
    wake_.notify_all();
  work_on_job(0);
  state_.fetch_and(~open_bit);
  for (auto spins = 0; (state_.load(std::memory_order_acquire) & active_mask) != 0; ++spins) {
    if (spins < spins_before_sleep)
      pause_cpu();
    else
      std::this_thread::yield(); // a worker lost its core in mid-loop
  }
}

void compute_pool::work_on_job(unsigned worker) noexcept {
  for (;;) {
    const auto begin = next_.fetch_add(grain_, std::memory_order_relaxed);
    if (begin >= count_)
      return;
    body_(self_, begin, std::min(begin + grain_, count_), worker);
  }
}

void compute_pool::worker_loop(unsigned worker) noexcept {
  auto last_job = std::uint32_t{0};
  auto spins = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    const auto epoch = wake_.load();
    auto state = state_.load();
    const auto job = state & ~(open_bit | active_mask);
    if ((state & open_bit) != 0 && job != last_job) {
      if (!state_.compare_exchange_weak(state, state + 1))
        continue;
      work_on_job(worker);
      state_.fetch_sub(1, std::memory_order_release);
      last_job = job;
      spins = 0;
    } else if (++spins < spins_before_sleep) {
      pause_cpu();
    } else {
      sleepers_.fetch_add(1);
      // A job that was opened after the look above has changed wake_, so this does not sleep then.
      if (!stop_.load())
        wake_.wait(epoch);
      sleepers_.fetch_sub(1);
      spins = 0;
    }
  }
}

} // namespace larql
