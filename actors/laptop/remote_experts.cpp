#include "actors/laptop/remote_experts.hpp"

#include "actors/policy/stall_tolerant_deadline.hpp"
#include "runtime/base/check.hpp"
#include "runtime/experts/local_experts.hpp"

#include <caf/io/all.hpp>
#include <thread>

namespace larql::actors {

namespace {

// How often a waiting session looks whether it has been told to stop.
constexpr auto poll_interval = std::chrono::milliseconds{100};
// Nodes that usually answer within this time are polled for: to be woken takes a thread 10 to 50
// us, for every layer. The core is offered to others meanwhile.
constexpr auto longest_poll = std::chrono::milliseconds{2};
// The router's own deadlines end a job; this margin only covers a laptop that is busy itself.
constexpr auto margin = std::chrono::seconds{10};
constexpr std::size_t most_kept_jobs = 4;

float microseconds(std::chrono::nanoseconds t) {
  return static_cast<float>(t.count()) * 1e-3f;
}

} // namespace

remote_experts::remote_experts(caf::actor_system& sys, router_actor router,
                               kernels::compute compute,
                               std::vector<quant::activation_format> formats,
                               const topology::deadlines& limits, std::function<bool()> cancelled)
    : sys_(sys),
      router_(std::move(router)),
      compute_(compute),
      formats_(std::move(formats)),
      timeout_(limits.failover + 2 * limits.call_ceiling + margin),
      cancelled_(std::move(cancelled)) {}

result<void> remote_experts::start(const experts::expert_batch& batch) {
  LARQL_CHECK(batch.layer < formats_.size());
  job_ = new_job();
  job_->layer = batch.layer;
  job_->hidden = batch.hidden;
  job_->row_count = batch.rows;
  job_->rows.reset(formats_[batch.layer], batch.rows, batch.hidden);
  for (auto r = 0u; r < batch.rows; ++r)
    job_->rows.set_row(compute_.k, r, batch.x.subspan(std::size_t{r} * batch.hidden, batch.hidden));
  experts::assignments_by_expert(batch, job_->assignments);
  // Run the router on the network thread, where the links are: one thread hand-over less.
  auto* network = &sys_.middleman().backend();
  caf::actor_cast<caf::strong_actor_ptr>(router_)->enqueue(
      messages_.make(nullptr, caf::make_message_id(), route_atom::value, job_), network);
  // Nodes on this machine, and the thread that sends to the others, come before the dense branch:
  // that then fills the time in which the answers travel.
  compute_.pool.give_way(true);
  return {};
}

// One that the router is done with, with its memory. Two take turns; more are made when one is
// given up on.
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

result<void> remote_experts::wait(std::span<float> out) {
  LARQL_CHECK(job_ != nullptr && out.size() == std::size_t{job_->row_count} * job_->hidden);
  compute_.pool.give_way(false);
  const auto job = std::move(job_);
  LARQL_TRY_VOID(finished(*job));
  if (!job->outcome())
    return job->outcome().error();
  record(job->stats);
  compute_.k.fixed_to_float(job->sums.data(), out.size(), out.data());
  return {};
}

// A job that is given up on stays with the router, which drops it.
result<void> remote_experts::finished(layer_job& job) {
  using clock = std::chrono::steady_clock;
  const auto begin = clock::now();
  poll(job);
  auto waiting = stall_tolerant_deadline{timeout_, poll_interval, clock::now()};
  while (!job.wait(waiting.next())) {
    const auto stop = cancelled_ && cancelled_();
    if (waiting.look(clock::now()) && !stop)
      continue;
    job.abandon();
    if (stop)
      return fail(errc::cancelled, "stopped while layer {} waited for its experts", job.layer);
    return fail(errc::deadline, "layer {}: the router did not answer within {} ms", job.layer,
                timeout_.count());
  }
  usual_wait_ += (clock::now() - begin - usual_wait_) / 8;
  return {};
}

void remote_experts::poll(const layer_job& job) const {
  if (usual_wait_ > longest_poll)
    return;
  const auto until = std::chrono::steady_clock::now() + 2 * usual_wait_;
  while (!job.is_finished() && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
}

void remote_experts::record(const job_stats& s) {
  ++stats_.layers;
  stats_.calls += s.calls;
  stats_.retries += s.retries;
  stats_.hedges += s.hedges;
  stats_.bytes_sent += s.bytes_sent;
  stats_.bytes_received += s.bytes_received;
  stats_.times.add({microseconds(s.slowest), microseconds(s.slowest_compute)});
}

} // namespace larql::actors
