// The router's use of relays: nodes near the owners that answer for what they reach as well.
//
// A relay is one way that the rows of a job can take; the owners are the other. What it reaches
// counts nowhere else: coverage, replicas, hedges, known answers and spot checks know owners only.

#include "actors/laptop/router_calls.hpp"

namespace larql::actors {

namespace {

// How long a relay that did not answer well is passed over.
constexpr auto relay_pause = std::chrono::seconds{2};

} // namespace

bool router_state::reaches(const cluster_member& m, std::uint32_t layer,
                           std::uint32_t expert) const {
  const auto& d = *m.description;
  if (d.owned.contains(layer, expert))
    return true;
  // Whom of several owners the relay asks is its choice: none may be one that is not believed.
  auto found = false;
  for (const auto& part : d.reached.parts)
    if (part.owned.contains(layer, expert)) {
      if (options_.makers->is_condemned(part.incarnation))
        return false;
      found = true;
    }
  return found;
}

bool router_state::may_relay(const cluster_member& m) {
  const auto& d = *m.description;
  if (d.reached.parts.empty() || !m.is_usable() || is_suspect(m))
    return false;
  const auto& node = record_of(m);
  const auto has_failed = node.relay_failed && now() - *node.relay_failed < relay_pause;
  return !has_failed && node.relayed < d.reached.credits;
}

// What travels if the owners are asked.
std::uint64_t router_state::direct_bytes(const pending_job& job,
                                         std::span<const experts::assignment> assignments) {
  const auto chosen = choose(job, assignments, {});
  const auto rows = std::size_t{job.job->row_count};
  seen_.assign(rows * view_->members.size(), 0);
  auto sent = std::uint64_t{0};
  for (auto d = std::size_t{0}, i = std::size_t{0}; d < demands_.size(); ++d)
    for (; i < assignments.size() && assignments[i].expert == demands_[d].expert; ++i)
      if (chosen[d] >= 0) {
        auto& seen = seen_[static_cast<std::size_t>(chosen[d]) * rows + assignments[i].row];
        sent += seen == 0;
        seen = 1;
      }
  return call_bytes(*job.job, sent, assignments.size(),
                    usual_row_bytes(job.job->hidden, options_.sums));
}

// The relay that the job goes to, as far as it reaches; none: the owners are asked.
std::optional<std::size_t> router_state::choose_relay(pending_job& job) {
  if (options_.relays == topology::relay_use::never)
    return std::nullopt;
  const auto& assignments = job.job->assignments;
  const auto layer = job.job->layer;
  relays_.clear();
  way_offers_.clear();
  for (auto i = std::size_t{0}; i < view_->members.size(); ++i) {
    const auto& m = view_->members[i];
    if (!may_relay(m))
      continue;
    const auto helps =
        std::any_of(assignments.begin(), assignments.end(), [&](const experts::assignment& a) {
          return !m.description->owned.contains(layer, a.expert) && reaches(m, layer, a.expert);
        });
    if (helps)
      relays_.push_back(i);
  }
  if (relays_.empty())
    return std::nullopt;
  way_offers_.push_back({0, direct_bytes(job, assignments)});
  const auto answer_bytes = completes_rows(job)
                                ? schema::row_bytes(schema::complete_row, job.job->hidden)
                                : usual_row_bytes(job.job->hidden, options_.sums);
  for (const auto i : relays_) {
    covered_.clear();
    rest_.clear();
    for (const auto& a : assignments)
      (reaches(view_->members[i], layer, a.expert) ? covered_ : rest_).push_back(a);
    rows_of(covered_, covered_rows_);
    const auto bytes = call_bytes(*job.job, covered_rows_.size(), covered_.size(), answer_bytes) +
                       (rest_.empty() ? 0 : direct_bytes(job, rest_));
    way_offers_.push_back({view_->members[i].description->incarnation, bytes});
  }
  job.taken_way = ways_.choose(way_offers_);
  if (options_.relays == topology::relay_use::always)
    job.taken_way->id = way_offers_[1].id;
  for (auto i = std::size_t{0}; i < relays_.size(); ++i)
    if (way_offers_[i + 1].id == job.taken_way->id)
      return relays_[i];
  return std::nullopt;
}

// A job that is new. What comes later, after a failure, goes to owners.
void router_state::dispatch_first(const job_ptr& job) {
  const auto& assignments = job->job->assignments;
  job->started = now();
  const auto relay = choose_relay(*job);
  if (!relay)
    return dispatch(job, assignments, {});
  covered_.clear();
  rest_.clear();
  for (const auto& a : assignments)
    (reaches(view_->members[*relay], job->job->layer, a.expert) ? covered_ : rest_).push_back(a);
  send_calls(job, *relay, covered_, std::nullopt, true);
  if (!rest_.empty())
    dispatch(job, rest_, {});
}

// Whether a relay may answer with complete rows.
bool router_state::completes_rows(const pending_job& job) const {
  return options_.complete_rows && options_.sums == quant::sum_format::exact && job.job->is_whole;
}

// Rows of which the call has all picks that there are anywhere.
void router_state::mark_whole_rows(const pending_job& job, node_call& p) {
  p.whole_rows.clear();
  if (!completes_rows(job))
    return;
  counts_.assign(job.job->row_count, 0);
  for (const auto& a : job.job->assignments)
    ++counts_[a.row];
  for (const auto& a : p.assignments)
    --counts_[a.row];
  for (const auto r : p.rows)
    p.whole_rows.push_back(counts_[r] == 0 ? std::byte{1} : std::byte{0});
}

void router_state::relay_failed(const cluster_member& m) {
  record_of(m).relay_failed = now();
}

// Somebody had a part in a relay's answer whose numbers are not used any more, or who is unknown:
// the ledger keeps every maker that it is told of.
std::optional<failure> router_state::bad_maker(const attempt& a,
                                               const schema::expert_result& r) const {
  if (!a.relayed)
    return r.makers.empty()
               ? std::nullopt
               : std::optional{fail(errc::corrupt, "node {}: others had a part in a direct answer",
                                    a.member().description->node)};
  const auto& parts = a.member().description->reached.parts;
  for (auto i = std::size_t{0}; i < r.makers.size() / 8; ++i)
    if (std::none_of(parts.begin(), parts.end(), [&](const schema::reach::part& part) {
          return part.incarnation == maker_at(r, i);
        }))
      return fail(errc::corrupt, "node {}: asked a node that it has not named ({:x})",
                  a.member().description->node, maker_at(r, i));
    else if (options_.makers->is_condemned(maker_at(r, i)))
      return fail(errc::corrupt, "node {}: asked a node whose answers are not used any more: {}",
                  a.member().description->node, options_.makers->why(maker_at(r, i)));
  return std::nullopt;
}

// Time counts only where nothing went wrong.
void router_state::learn_way(const pending_job& job) {
  if (job.taken_way && job.job->stats.retries == 0 && job.job->stats.hedges == 0)
    ways_.taken(*job.taken_way, now() - job.started);
}

} // namespace larql::actors
