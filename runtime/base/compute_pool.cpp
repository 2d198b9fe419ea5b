#include "runtime/base/compute_pool.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>
#include <pthread.h>
#include <sched.h>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace larql {

namespace {

// How long an idle worker polls before it sleeps: loops of one token follow each other within
// microseconds, and a futex wake-up costs 25 to 50 of them. A polling worker yields its processor,
// because on a small machine the nodes that the loop waits for run on the same processors. It polls
// no longer than this, because a thread that waits for another processor gains nothing by the
// yield.
constexpr int spins_before_sleep = 1000;
constexpr int spins_before_yield = 16;

constexpr std::size_t max_grains = 0xffffffffu;

// Two grain numbers in one word, so that both ends of a part change in one step.
constexpr std::uint64_t range_of(std::size_t first, std::size_t end) noexcept {
  return std::uint64_t{end} << 32 | first;
}
constexpr std::size_t first_of(std::uint64_t range) noexcept {
  return range & 0xffffffffu;
}
constexpr std::size_t end_of(std::uint64_t range) noexcept {
  return range >> 32;
}

void pause_cpu() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void wait_a_little(int spins) noexcept {
  if (spins % spins_before_yield == 0)
    std::this_thread::yield();
  else
    pause_cpu();
}

// The processors that this thread may run on, if they are `threads`; else none.
std::vector<int> processors_for(std::size_t threads) {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0 ||
      static_cast<std::size_t>(CPU_COUNT(&allowed)) != threads)
    return {};
  auto out = std::vector<int>{};
  for (auto cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &allowed))
      out.push_back(cpu);
  return out;
}

void stay_on(std::thread& thread, int cpu) noexcept {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(cpu), &one);
  // Without it the loop is only slower.
  (void) ::pthread_setaffinity_np(thread.native_handle(), sizeof one, &one);
}

} // namespace

compute_pool::compute_pool(unsigned threads) : parts_(std::clamp(threads, 1u, 255u)) {
  const auto workers = static_cast<unsigned>(parts_.size()) - 1;
  workers_.reserve(workers);
  if (workers != 0)
    processors_ = processors_for(workers + 1);
  try {
    for (auto i = 0u; i < workers; ++i) {
      workers_.emplace_back([this, i] { worker_loop(i + 1); });
      if (!processors_.empty())
        stay_on(workers_[i], processors_[i + 1]);
    }
  } catch (...) { // no destructor will run
    end_workers();
    throw;
  }
}

compute_pool::~compute_pool() {
  end_workers();
}

void compute_pool::end_workers() noexcept {
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
  const auto lock = std::scoped_lock{callers_};
  if (workers_.empty() || count <= grain) {
    for (auto begin = std::size_t{0}; begin < count; begin += grain)
      body(self, begin, std::min(begin + grain, count), 0);
    return;
  }
  make_way_for_caller();
  self_ = self;
  body_ = body;
  count_ = count;
  grain_ = grain;
  deal_out((count + grain - 1) / grain);
  const auto job = (state_.load(std::memory_order_relaxed) & ~(open_bit | active_mask)) + job_step;
  state_.store(job | open_bit);
  resting_.store(false, std::memory_order_relaxed);
  wake_.fetch_add(1);
  if (sleepers_.load() != 0)
    wake_.notify_all();
  work_on_job(0);
  state_.fetch_and(~open_bit);
  for (auto spins = 1; (state_.load(std::memory_order_acquire) & active_mask) != 0; ++spins)
    wait_a_little(spins);
}

// The worker whose processor the caller is on goes to the one that the caller was on before.
void compute_pool::make_way_for_caller() noexcept {
  if (processors_.empty())
    return;
  const auto cpu = ::sched_getcpu();
  if (cpu == processors_[0])
    return;
  for (auto i = std::size_t{1}; i < processors_.size(); ++i)
    if (processors_[i] == cpu) {
      std::swap(processors_[0], processors_[i]);
      stay_on(workers_[i - 1], processors_[i]);
      return;
    }
}

void compute_pool::rest() noexcept {
  resting_.store(true, std::memory_order_relaxed);
}

// Only between jobs, when no worker looks at the parts.
void compute_pool::deal_out(std::size_t grains) noexcept {
  LARQL_CHECK(grains <= max_grains);
  const auto n = parts_.size();
  for (auto i = std::size_t{0}; i < n; ++i)
    parts_[i].left.store(range_of(grains * i / n, grains * (i + 1) / n), std::memory_order_relaxed);
}

void compute_pool::do_grain(std::size_t grain_index, unsigned worker) noexcept {
  const auto begin = grain_index * grain_;
  body_(self_, begin, std::min(begin + grain_, count_), worker);
  if (gives_way())
    std::this_thread::yield();
}

void compute_pool::work_on_job(unsigned worker) noexcept {
  auto& own = parts_[worker].left;
  for (auto left = own.load(std::memory_order_relaxed); first_of(left) < end_of(left);)
    if (own.compare_exchange_weak(left, range_of(first_of(left) + 1, end_of(left)),
                                  std::memory_order_relaxed)) {
      do_grain(first_of(left), worker);
      left = own.load(std::memory_order_relaxed);
    }
  for (auto i = std::size_t{1}; i < parts_.size(); ++i) {
    auto& other = parts_[(worker + i) % parts_.size()].left;
    for (auto left = other.load(std::memory_order_relaxed); first_of(left) < end_of(left);)
      if (other.compare_exchange_weak(left, range_of(first_of(left), end_of(left) - 1),
                                      std::memory_order_relaxed)) {
        do_grain(end_of(left) - 1, worker);
        left = other.load(std::memory_order_relaxed);
      }
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
    } else if (++spins < spins_before_sleep && !resting_.load(std::memory_order_relaxed)) {
      wait_a_little(spins);
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
