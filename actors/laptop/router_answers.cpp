// The router's answers: from a node's result to the sums of the job.

#include "actors/laptop/router_calls.hpp"
#include "schema/sums.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

// Whether the sizes of a result are those of the call.
result<void> check_rows(const cluster_member& m, const schema::expert_result& r, std::size_t rows,
                        std::uint32_t hidden, const schema::allowed_rows& allowed) {
  const auto& node = m.description->node;
  if (r.rows != rows)
    return fail(errc::corrupt, "node {}: the result has {} rows, expected {}", node, r.rows, rows);
  if (auto ok = schema::check_sums(r.widths, r.sums, r.rows, hidden, allowed); !ok)
    return std::move(ok).error().in(fmt::format("node {}", node));
  return {};
}

} // namespace

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
      set_suspect(m, false); // however late
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
  if (auto bad = bad_maker(a, result))
    return give_up_attempt(job, p, a.id, *std::move(bad));
  // The numbers by themselves, where they are to be compared.
  auto own = std::optional<std::vector<std::int64_t>>{};
  auto merged = larql::result<void>{};
  if (!a.relayed && (p.check || p.attempts.size() > 1)) {
    if (auto sums = sums_of(a.member(), result, p.rows.size(), job->job->hidden))
      own = *std::move(sums);
    else
      merged = std::move(sums).error();
  }
  if (merged && !p.check)
    merged = merge(*job, p, a, result);
  if (!merged) {
    ++job->node_failures;
    return give_up_attempt(job, p, a.id, std::move(merged).error());
  }
  const auto compute = std::chrono::nanoseconds{result.compute_ns};
  auto& node = record_of(a.member());
  const auto round_trip = now() - a.sent;
  (a.relayed ? node.relay_timing : node.timing)
      .add({units_of(p.assignments), round_trip, compute, std::chrono::nanoseconds{result.queue_ns},
            a.expected_us, a.bytes_ahead});
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
    (void) merge(*job, p, a, result); // as sums_of()
  }
  if (own)
    compare_late(job, p, a, *std::move(own));
  stats.makers |= options_.makers->set_of(maker.incarnation);
  for (auto i = std::size_t{0}; i < result.makers.size() / 8; ++i)
    stats.makers |= options_.makers->set_of(maker_at(result, i));
  drop_call(*job, p.id);
  finish_if_done(job);
}

// The sums of a direct answer by themselves.
result<std::vector<std::int64_t>> router_state::sums_of(const cluster_member& m,
                                                        const schema::expert_result& r,
                                                        std::size_t rows,
                                                        std::uint32_t hidden) const {
  LARQL_TRY_VOID(check_rows(m, r, rows, hidden, {{}, options_.sums}));
  auto out = std::vector<std::int64_t>(rows * hidden, 0);
  auto sums = r.sums;
  for (auto i = std::size_t{0}; i < rows; ++i) {
    const auto width = static_cast<std::uint8_t>(r.widths[i]);
    const auto bytes = schema::row_bytes(width, hidden);
    schema::add_packed(sums.first(bytes), width, std::span{out}.subspan(i * hidden, hidden));
    sums = sums.subspan(bytes);
  }
  return out;
}

// Adds the rows of a result to the rows of the job that they belong to. A row that a relay has
// completed is taken as it is; nothing comes before or after it. Nothing is changed if the result
// is wrong.
result<void> router_state::merge(pending_job& job, const node_call& p, const attempt& a,
                                 const schema::expert_result& r) const {
  using row_state = pending_job::row_state;
  const auto hidden = job.job->hidden;
  const auto& node = *a.member().description;
  const auto whole =
      a.relayed ? std::span<const std::byte>{p.whole_rows} : std::span<const std::byte>{};
  LARQL_TRY_VOID(check_rows(a.member(), r, p.rows.size(), hidden, {whole, options_.sums}));
  const auto width_of = [&](std::size_t i) { return static_cast<std::uint8_t>(r.widths[i]); };
  for (auto i = std::size_t{0}; i < p.rows.size(); ++i) {
    const auto state = job.row_states[p.rows[i]];
    if (state == row_state::complete ||
        (state == row_state::added && width_of(i) == schema::complete_row))
      return fail(errc::corrupt, "node {}: row {} is complete and has a second addend", node.node,
                  p.rows[i]);
  }
  const auto out = [&](std::size_t i) {
    return std::span{job.job->sums}.subspan(p.rows[i] * std::size_t{hidden}, hidden);
  };
  const auto for_each = [&](auto&& take) { // until it says no
    auto sums = r.sums;
    for (auto i = std::size_t{0}; i < p.rows.size(); ++i) {
      const auto bytes = schema::row_bytes(width_of(i), hidden);
      if (!take(i, sums.first(bytes)))
        return;
      sums = sums.subspan(bytes);
    }
  };
  // Complete rows first: they may turn out to be wrong, and until now there is nothing in them.
  auto ok = result<void>{};
  for_each([&](std::size_t i, std::span<const std::byte> bytes) {
    if (width_of(i) == schema::complete_row)
      ok = schema::read_complete_row(bytes, out(i));
    return static_cast<bool>(ok);
  });
  for (auto i = std::size_t{0}; i < p.rows.size() && !ok; ++i)
    if (width_of(i) == schema::complete_row)
      std::ranges::fill(out(i), 0);
  if (!ok)
    return std::move(ok).error().in(fmt::format("node {}", node.node));
  for_each([&](std::size_t i, std::span<const std::byte> bytes) {
    const auto is_complete = width_of(i) == schema::complete_row;
    if (!is_complete)
      schema::add_packed(bytes, width_of(i), out(i));
    job.row_states[p.rows[i]] = is_complete ? row_state::complete : row_state::added;
    return true;
  });
  return {};
}

} // namespace larql::actors
