// The router's answers: from a node's result to the sums of the job.

#include "actors/laptop/router_calls.hpp"
#include "schema/sums.hpp"

#include <algorithm>
#include <numeric>

namespace larql::actors {

// Nothing if the call was given up: another attempt was faster, or the job has ended.
std::optional<router_state::call_place> router_state::place_of(caf::message_id reply) const {
  for (const auto& job : jobs_)
    for (const auto& p : job->calls)
      for (const auto& a : p.attempts)
        if (a.reply == reply)
          return call_place{job, p.id, a.id};
  return std::nullopt;
}

void router_state::on_answer(const received_result& answer) {
  for (const auto& m : view_->members)
    if (m.shard == self_->current_sender())
      record_of(m).suspect_since.reset(); // however late
  const auto place = place_of(self_->current_message_id());
  if (!place)
    return on_opinion(answer);
  const auto& job = place->job;
  auto& p = *job->find(place->call_id);
  const auto a = *std::find_if(p.attempts.begin(), p.attempts.end(),
                               [&](const attempt& x) { return x.id == place->attempt_id; });
  const auto& result = answer.message;
  const auto& maker = *a.member().description;
  if (options_.makers->is_condemned(maker.incarnation))
    return give_up_attempt(job, p, a.id, not_used(a.member()));
  // The numbers by themselves, where they are to be compared.
  auto own = std::optional<std::vector<std::int64_t>>{};
  auto merged = larql::result<void>{};
  if (p.check || p.attempts.size() > 1) {
    if (auto sums = sums_of(a.member(), result, p.rows.size(), job->job->hidden))
      own = *std::move(sums);
    else
      merged = std::move(sums).error();
  }
  if (merged && !p.check)
    merged = merge(p.rows, a.member(), result, job->job->hidden, job->job->sums);
  if (!merged) {
    ++job->node_failures;
    return give_up_attempt(job, p, a.id, std::move(merged).error());
  }
  const auto compute = std::chrono::nanoseconds{result.compute_ns};
  auto& node = record_of(a.member());
  const auto round_trip = now() - a.sent;
  node.timing.add({units_of(p.assignments), round_trip, compute,
                   std::chrono::nanoseconds{result.queue_ns}, a.expected_us, a.bytes_ahead});
  auto& stats = job->job->stats;
  stats.bytes_received += answer.buffer->size();
  if (round_trip >= stats.slowest) {
    stats.slowest = round_trip;
    stats.slowest_compute = compute;
    stats.slowest_queue = std::min(std::chrono::nanoseconds{result.queue_ns}, round_trip);
  }
  for (const auto& other : p.attempts)
    release(other);
  if (p.check) {
    if (hold_answer(p, a, *own))
      return;
    (void) merge(p.rows, a.member(), result, job->job->hidden, job->job->sums); // as sums_of()
  }
  if (own)
    compare_late(job, p, a, *std::move(own));
  stats.makers |= options_.makers->set_of(maker.incarnation);
  drop_call(*job, p.id);
  finish_if_done(job);
}

result<std::vector<std::int64_t>> router_state::sums_of(const cluster_member& m,
                                                        const schema::expert_result& r,
                                                        std::size_t rows, std::uint32_t hidden) {
  auto places = std::vector<std::uint32_t>(rows);
  std::iota(places.begin(), places.end(), 0u);
  auto out = std::vector<std::int64_t>(rows * hidden, 0);
  LARQL_TRY_VOID(merge(places, m, r, hidden, out));
  return out;
}

// Adds the rows of a result to the rows of `sums` that they belong to.
result<void> router_state::merge(std::span<const std::uint32_t> rows, const cluster_member& member,
                                 const schema::expert_result& r, std::uint32_t hidden,
                                 std::span<std::int64_t> out) {
  const auto& node = *member.description;
  if (r.rows != rows.size())
    return fail(errc::corrupt, "node {}: the result has {} rows, expected {}", node.node, r.rows,
                rows.size());
  if (auto ok = schema::check_sums(r.widths, r.sums, r.rows, hidden); !ok)
    return std::move(ok).error().in(fmt::format("node {}", node.node));
  auto sums = r.sums;
  for (auto i = std::size_t{0}; i < rows.size(); ++i) {
    const auto width = static_cast<std::uint8_t>(r.widths[i]);
    const auto bytes = std::size_t{width} * hidden;
    schema::add_packed(sums.first(bytes), width,
                       out.subspan(rows[i] * std::size_t{hidden}, hidden));
    sums = sums.subspan(bytes);
  }
  return {};
}

} // namespace larql::actors
