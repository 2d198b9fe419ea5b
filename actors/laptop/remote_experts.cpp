#include "actors/laptop/remote_experts.hpp"

#include "actors/policy/stall_tolerant_deadline.hpp"
#include "runtime/base/check.hpp"

#include <caf/io/all.hpp>
#include <thread>

namespace larql::actors {

namespace {

using clock = std::chrono::steady_clock;

// How often a waiting pass looks whether its job's router has been replaced.
constexpr auto poll_interval = std::chrono::milliseconds{100};
// Nodes that usually answer within this time are polled for: to be woken takes a thread 10 to 50
// us, for every layer. The core is offered to others meanwhile.
constexpr auto longest_poll = std::chrono::milliseconds{2};
// The router's own deadlines end a job: that of the failover, of a last call, and where the answer
// is checked, of a witness, a third owner or two, and known answers. The margin only covers a
// laptop that is busy itself.
constexpr auto calls_after_failover = 6;
constexpr auto margin = std::chrono::seconds{10};
constexpr std::size_t most_kept_jobs = 16;

} // namespace

/// A batch at the router.
class remote_experts::work final : public experts::expert_work {
public:
  explicit work(remote_experts& port) : port_(port) {}

  [[nodiscard]] bool is_free() const noexcept { return job_ == nullptr; }

  void take(layer_job_ptr job) {
    job_ = std::move(job);
    port_.send(job_, generation_);
    lease_ = port_.compute_.pool.give_way();
  }

  bool is_ready() const noexcept override { return job_->has_ended(); }

  result<void> wait(std::span<std::int64_t> sums, const std::stop_token& stop) override {
    port_.check_thread();
    LARQL_CHECK(sums.size() == std::size_t{job_->row_count} * job_->hidden);
    const auto begin = clock::now();
    port_.poll(*job_);
    LARQL_TRY_VOID(until_finished(stop));
    port_.usual_wait_ += (clock::now() - begin - port_.usual_wait_) / 8;
    if (!job_->outcome())
      return job_->outcome().error();
    for (auto i = std::size_t{0}; i < sums.size(); ++i)
      sums[i] += job_->sums[i];
    return {};
  }

  experts::call_stats stats() const override {
    return job_->has_ended() ? job_->stats : experts::call_stats{};
  }

  void release() noexcept override {
    if (!job_->has_ended())
      port_.cancel(job_);
    job_.reset();
    lease_.reset();
  }

private:
  result<void> until_finished(const std::stop_token& stop) {
    auto waiting = stall_tolerant_deadline{port_.timeout_, poll_interval, clock::now()};
    for (;;) {
      const auto ended = job_->wait(waiting.next(), stop);
      if (ended && !job_->is_lost())
        return {};
      if (stop.stop_requested())
        return fail(errc::cancelled, "stopped while layer {} waited for its experts", job_->layer);
      if (port_.router_->generation() != generation_)
        start_again();
      else if (ended) // lost, and the next router is not there yet
        std::this_thread::sleep_until(std::min(waiting.next(), clock::now() + restart_interval));
      if (!waiting.look(clock::now()))
        return fail(errc::deadline, "layer {}: the router did not answer within {} ms", job_->layer,
                    port_.timeout_.count());
    }
  }

  // The old router may still hold the old job.
  void start_again() {
    auto again = std::make_shared<layer_job>();
    again->layer = job_->layer;
    again->hidden = job_->hidden;
    again->row_count = job_->row_count;
    again->rows = job_->rows;
    again->assignments = job_->assignments;
    again->is_whole = job_->is_whole;
    again->on_ready = job_->on_ready;
    job_->abandon();
    job_ = std::move(again);
    port_.send(job_, generation_);
  }

  static constexpr auto restart_interval = std::chrono::milliseconds{5};

  remote_experts& port_;
  layer_job_ptr job_;
  std::uint64_t generation_ = 0; // of the router that has the job
  // While a batch is under way, nodes on this machine and the thread that sends to the others come
  // before the loops of this process: those then fill the time in which answers travel.
  compute_pool::yield_lease lease_;
};

remote_experts::remote_experts(caf::actor_system& sys, std::shared_ptr<router_slot> router,
                               std::shared_ptr<const layer_formats> formats,
                               kernels::compute compute, const topology::deadlines& limits,
                               std::shared_ptr<const experts::maker_ledger> makers)
    : sys_(sys),
      router_(std::move(router)),
      formats_(std::move(formats)),
      compute_(compute),
      timeout_(limits.failover + calls_after_failover * limits.call_ceiling + margin),
      makers_(std::move(makers)) {}

remote_experts::~remote_experts() = default;

result<experts::expert_ticket> remote_experts::start(const experts::expert_batch& batch,
                                                     experts::ready_fn on_ready) {
  const auto job = new_job();
  job->layer = batch.layer;
  job->hidden = batch.hidden;
  job->row_count = batch.rows;
  job->rows.reset(formats_->of(batch.layer), batch.rows, batch.hidden);
  for (auto r = 0u; r < batch.rows; ++r)
    job->rows.set_row(compute_.k, r, batch.x.subspan(std::size_t{r} * batch.hidden, batch.hidden));
  job->assignments.assign(batch.assignments.begin(), batch.assignments.end());
  job->is_whole = batch.is_whole;
  job->on_ready = std::move(on_ready);
  auto it = std::find_if(works_.begin(), works_.end(), [](const auto& w) { return w->is_free(); });
  if (it == works_.end())
    it = works_.insert(it, std::make_unique<work>(*this));
  (*it)->take(job);
  return experts::expert_ticket{**it};
}

void remote_experts::send(const layer_job_ptr& job, std::uint64_t& generation) {
  auto [router, now] = router_->get();
  generation = now;
  if (!router)
    return job->finish(fail(errc::cancelled, "the cluster has ended"));
  // Run the router on the network thread, where the links are: one thread hand-over less.
  caf::actor_cast<caf::strong_actor_ptr>(router)->enqueue(
      messages_.make(nullptr, caf::make_message_id(), route_atom::value, job),
      &sys_.middleman().backend());
}

void remote_experts::cancel(const layer_job_ptr& job) {
  job->abandon();
  if (const auto router = router_->get().first)
    caf::anon_send(router, cancel_atom::value, job);
}

void remote_experts::check_thread() const {
  LARQL_CHECK(std::this_thread::get_id() != sys_.middleman().backend().thread_id());
}

// One that the router is done with, with its memory. More are made when all are in use.
layer_job_ptr remote_experts::new_job() {
  for (const auto& job : jobs_)
    if (job.use_count() == 1) {
      std::atomic_thread_fence(std::memory_order_acquire); // with the router's release
      job->reopen();
      return job;
    }
  auto fresh = std::make_shared<layer_job>();
  if (jobs_.size() < most_kept_jobs)
    jobs_.push_back(fresh);
  return fresh;
}

void remote_experts::poll(const layer_job& job) const {
  if (usual_wait_ > longest_poll)
    return;
  const auto until = clock::now() + 2 * usual_wait_;
  while (!job.has_ended() && clock::now() < until)
    std::this_thread::yield();
}

} // namespace larql::actors
