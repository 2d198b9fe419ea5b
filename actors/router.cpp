#include "actors/router.hpp"

#include "actors/call_builder.hpp"
#include "actors/errc.hpp"
#include "schema/codec.hpp"
#include "schema/sums.hpp"

#include <algorithm>

namespace larql::actors {

using clock = std::chrono::steady_clock;

/// A job with calls in flight.
struct router_state::pending_job {
  layer_job_ptr job;
  std::size_t calls = 0;
  result<void> outcome;
};

/// One node's part of a job.
struct router_state::pending_call {
  std::size_t shard = 0;
  std::vector<experts::pick> picks; ///< rows as in the job
  std::vector<std::uint32_t> rows;  ///< rows of the job that this call carries, ascending
  clock::time_point sent;
};

router_state::router_state(pointer self, std::vector<routed_shard> shards)
    : self_(self), shards_(std::move(shards)) {}

router_state::handle::behavior_type router_state::make_behavior() {
  return {
      [this](route_atom, const layer_job_ptr& job) { on_route(job); },
  };
}

void router_state::on_route(const layer_job_ptr& job) {
  auto calls = split(*job);
  auto pending = std::make_shared<pending_job>();
  pending->job = job;
  pending->calls = calls.size();
  job->sums.assign(std::size_t{job->row_count} * job->hidden, 0);
  for (const auto& p : job->picks)
    if (!is_owned(job->layer, p.expert))
      return job->finish(
          fail(errc::unavailable, "layer {}: no node has expert {}", job->layer, p.expert));
  if (calls.empty())
    return job->finish({});
  for (auto& call : calls)
    send(pending, std::move(call));
}

bool router_state::is_owned(std::uint32_t layer, std::uint32_t expert) const {
  return std::any_of(shards_.begin(), shards_.end(), [&](const routed_shard& s) {
    return s.description->owned.contains(layer, expert);
  });
}

std::vector<router_state::pending_call> router_state::split(const layer_job& job) const {
  auto out = std::vector<pending_call>{};
  for (auto s = std::size_t{0}; s < shards_.size(); ++s) {
    auto call = pending_call{};
    call.shard = s;
    for (const auto& p : job.picks)
      if (shards_[s].description->owned.contains(job.layer, p.expert))
        call.picks.push_back(p);
    if (call.picks.empty())
      continue;
    call.rows = rows_of(call.picks);
    out.push_back(std::move(call));
  }
  return out;
}

void router_state::send(const std::shared_ptr<pending_job>& pending, pending_call call) {
  const auto& job = *pending->job;
  const auto id = next_id_++;
  const auto out = frame_payload(build_call(id, job, call.picks, call.rows));
  pending->job->stats.bytes_sent += out.buffer->size();
  ++pending->job->stats.calls;
  call.sent = clock::now();
  const auto& shard = shards_[call.shard].shard;
  auto shared = std::make_shared<pending_call>(std::move(call));
  self_->request(shard, job.deadline, run_atom::value, id, out)
      .then(
          [this, pending, shared](const payload& answer) {
            finish_call(pending, merge(*shared, answer, *pending->job));
          },
          [this, pending, shared](const caf::error& err) {
            finish_call(pending, failure_of(*shared, err, *pending->job));
          });
}

failure router_state::failure_of(const pending_call& call, const caf::error& err,
                                 const layer_job& job) const {
  const auto& node = *shards_[call.shard].description;
  const auto& address = shards_[call.shard].address;
  const auto late = err == caf::sec::request_timeout;
  auto text = text_of(err);
  if (late)
    text = fmt::format("node {}: no answer within {} ms ({})", node.node, job.deadline.count(),
                       address);
  else if (err == caf::sec::request_receiver_down)
    text = fmt::format("node {}: the connection is lost ({})", node.node, address);
  return fail(late ? errc::deadline : errc::unavailable, "layer {}, experts {}: {}", job.layer,
              to_string(node.owned.experts), text);
}

result<void> router_state::merge(const pending_call& call, const payload& answer,
                                 layer_job& job) const {
  const auto& node = *shards_[call.shard].description;
  const auto m = schema::decode(answer.body());
  if (!m)
    return fail(errc::corrupt, "node {}: {}", node.node, m.error().text);
  if (const auto* failed = std::get_if<schema::call_failed>(&*m))
    return fail(errc::unavailable, "node {}: {}", node.node, failed->text);
  const auto* r = std::get_if<schema::expert_result>(&*m);
  if (r == nullptr || r->rows != call.rows.size())
    return fail(errc::corrupt, "node {}: the answer is no result for {} rows", node.node,
                call.rows.size());
  if (auto ok = schema::check_sums(r->widths, r->sums, r->rows, job.hidden); !ok)
    return std::move(ok).error().in(fmt::format("node {}", node.node));
  auto sums = r->sums;
  for (auto i = std::size_t{0}; i < call.rows.size(); ++i) {
    const auto width = static_cast<std::uint8_t>(r->widths[i]);
    const auto bytes = std::size_t{width} * job.hidden;
    schema::add_packed(
        sums.first(bytes), width,
        std::span{job.sums}.subspan(call.rows[i] * std::size_t{job.hidden}, job.hidden));
    sums = sums.subspan(bytes);
  }
  const auto round_trip = clock::now() - call.sent;
  job.stats.bytes_received += answer.buffer->size();
  if (round_trip > job.stats.slowest) {
    job.stats.slowest = round_trip;
    job.stats.slowest_compute = std::chrono::nanoseconds{r->compute_ns};
  }
  return {};
}

// The first failure is the job's; the job ends when no call is in flight any more.
void router_state::finish_call(const std::shared_ptr<pending_job>& pending, result<void> how) {
  if (!how && pending->outcome)
    pending->outcome = std::move(how);
  if (--pending->calls == 0)
    pending->job->finish(std::move(pending->outcome));
}

} // namespace larql::actors
