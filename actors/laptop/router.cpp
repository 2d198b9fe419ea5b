#include "actors/laptop/router.hpp"

#include "actors/laptop/router_calls.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

// How long a node that was late is passed over while others have what it has.
constexpr auto suspect_time = std::chrono::seconds{30};
// After this long without a call, what is known of a node's speed is old: it is asked again.
constexpr auto idle_time = std::chrono::seconds{10};
// A tick that comes later than this was kept from coming: the process was stopped, or starved.
constexpr auto longest_late = std::chrono::milliseconds{20};
// Memory that is kept for the next jobs: of calls with the assignments of some decoded rows.
constexpr std::size_t most_spare_calls = 64;
constexpr std::size_t most_spare_assignments = 4096;

// Assignments are sorted by expert.
void demands_of(std::span<const experts::assignment> assignments, std::vector<expert_demand>& out) {
  out.clear();
  for (const auto& p : assignments) {
    if (out.empty() || out.back().expert != p.expert)
      out.push_back({p.expert, 0});
    ++out.back().rows;
  }
}

} // namespace

router_state::router_state(pointer self, router_options options)
    : self_(self), options_(std::move(options)), clock_(longest_late) {
  options_.late->clear(); // what a router before this one has noted
}

router_state::~router_state() {
  for (const auto& job : jobs_)
    if (!job->finished)
      job->job->lose();
}

router_state::handle::behavior_type router_state::make_behavior() {
  replies_.assign([this](const received_result& answer) { on_answer(answer); },
                  [this](const caf::error& err) { on_error(err); });
  return {
      [this](route_atom, const layer_job_ptr& job) { on_route(job); },
      [this](cancel_atom, const layer_job_ptr& job) { on_cancel(job); },
      [this](view_atom, const cluster_view_ptr& view) { on_view(view); },
      [this](tick_atom) { on_tick(); },
  };
}

router_state::node_record& router_state::record_of(const cluster_member& m) {
  return nodes_[m.description->incarnation];
}

// ---- jobs ---------------------------------------------------------------------------------------

// A node that was late is asked again after a while, even if it gave no sign in between.
bool router_state::is_suspect(const cluster_member& m) {
  if (options_.makers->is_condemned(m.description->incarnation))
    return true;
  const auto known = nodes_.find(m.description->incarnation);
  return known != nodes_.end() && known->second.suspect_since &&
         now() - *known->second.suspect_since < suspect_time;
}

void router_state::set_suspect(const cluster_member& m, bool is_late) {
  auto& since = record_of(m).suspect_since;
  if (is_late) {
    options_.late->add(m.description->incarnation);
    since = now();
  } else if (since) {
    options_.late->remove(m.description->incarnation);
    since.reset();
  }
}

// Jobs and calls keep the memory of their predecessors.
router_state::job_ptr router_state::new_job() {
  for (const auto& job : spare_jobs_)
    if (job.use_count() == 1) { // no other holder: it can be changed
      job->reset();
      return job;
    }
  spare_jobs_.push_back(std::make_shared<pending_job>());
  return spare_jobs_.back();
}

router_state::node_call router_state::new_call() {
  auto p = node_call{};
  if (!spare_calls_.empty()) {
    p = std::move(spare_calls_.back());
    spare_calls_.pop_back();
  }
  p.id = next_id_++;
  p.assignments.clear();
  p.rows.clear();
  p.attempts.clear();
  p.tried.clear();
  p.check.reset();
  p.answered = false;
  p.whole_rows.clear();
  return p;
}

void router_state::drop_call(pending_job& job, std::uint64_t call_id) {
  auto* p = job.find(call_id);
  p->check.reset();
  if (spare_calls_.size() < most_spare_calls && p->assignments.capacity() <= most_spare_assignments)
    spare_calls_.push_back(std::move(*p));
  job.calls.erase(job.calls.begin() + (p - job.calls.data()));
}

void router_state::on_route(const layer_job_ptr& job) {
  const auto pending = new_job();
  pending->job = job;
  job->sums.assign(std::size_t{job->row_count} * job->hidden, 0);
  pending->row_states.assign(job->row_count, pending_job::row_state::empty);
  jobs_.push_back(pending);
  if (undecided_)
    return finish(pending, *std::exchange(undecided_, std::nullopt));
  dispatch_first(pending);
  finish_if_done(pending);
}

void router_state::on_cancel(const layer_job_ptr& job) {
  for (const auto& pending : jobs_)
    if (pending->job == job)
      return finish(job_ptr{pending}, fail(errc::cancelled, "the answer is not wanted any more"));
}

void router_state::on_view(const cluster_view_ptr& view) {
  const auto old = std::exchange(view_, view);
  for (const auto& m : view->members) {
    const auto known = std::any_of(old->members.begin(), old->members.end(),
                                   [&](const cluster_member& o) { return o.shard == m.shard; });
    if (!known) // a new connection: what was held against the node is over
      set_suspect(m, false);
  }
  for (const auto& job : std::vector{jobs_}) {
    if (!job->parked.empty()) {
      job->retry_at.reset();
      const auto parked = std::exchange(job->parked, {});
      dispatch(job, parked, {});
    }
    ask_others(job);
    finish_if_done(job);
  }
  // Records of nodes that went for good.
  if (nodes_.size() > 4 * view->members.size() + 64)
    std::erase_if(nodes_, [&](const auto& entry) {
      const auto is_gone =
          std::none_of(view->members.begin(), view->members.end(),
                       [&](const auto& m) { return m.description->incarnation == entry.first; });
      if (is_gone) {
        ways_.forget(entry.first);
        options_.late->remove(entry.first);
      }
      return is_gone;
    });
}

// For each expert that the assignments name, the index of a member, or -1.
std::span<const int> router_state::choose(const pending_job& job,
                                          std::span<const experts::assignment> assignments,
                                          std::span<const std::uint64_t> avoid) {
  const auto now = this->now();
  demands_of(assignments, demands_);
  offers_.clear();
  for (const auto& m : view_->members) {
    const auto& r = record_of(m);
    const auto idle = !r.asked || now - *r.asked > idle_time;
    const auto avoided =
        std::find(avoid.begin(), avoid.end(), m.description->incarnation) != avoid.end();
    auto offer = node_offer{m.description->owned, r.busy_us,
                            idle ? 0 : r.timing.overhead_us() + r.timing.queue_us(),
                            idle ? 0 : r.timing.unit_us(), avoided || is_suspect(m)};
    if (!m.is_usable() || options_.makers->is_condemned(m.description->incarnation))
      offer.owned = {{1, 0}, {1, 0}}; // owns nothing now
    offers_.push_back(offer);
  }
  return choice_.choose(job.job->layer, demands_, offers_);
}

// Gives each expert to a node and sends its calls; experts without a node are parked.
void router_state::dispatch(const job_ptr& job, std::span<const experts::assignment> assignments,
                            std::span<const std::uint64_t> avoid) {
  const auto chosen = choose(*job, assignments, avoid);
  const auto take = [&](int member, std::vector<experts::assignment>& out) {
    for (auto d = std::size_t{0}, i = std::size_t{0}; d < demands_.size(); ++d)
      for (; i < assignments.size() && assignments[i].expert == demands_[d].expert; ++i)
        if (chosen[d] == member)
          out.push_back(assignments[i]);
  };
  for (auto m = std::size_t{0}; m < view_->members.size(); ++m) {
    if (std::find(chosen.begin(), chosen.end(), static_cast<int>(m)) == chosen.end())
      continue;
    taken_.clear();
    take(static_cast<int>(m), taken_);
    add_calls(job, m, taken_, avoid);
  }
  taken_.clear();
  take(-1, taken_);
  if (!taken_.empty())
    park(job, taken_);
}

// Where a call is checked, what the witness does not own becomes a call of its own.
void router_state::add_calls(const job_ptr& job, std::size_t member,
                             std::span<const experts::assignment> assignments,
                             std::span<const std::uint64_t> avoid) {
  const auto witness = choose_witness(*job, member, assignments, avoid);
  if (!witness)
    return send_calls(job, member, assignments, std::nullopt);
  shared_.clear();
  alone_.clear();
  for (const auto& a : assignments)
    (view_->members[*witness].description->owned.contains(job->job->layer, a.expert) ? shared_
                                                                                     : alone_)
        .push_back(a);
  send_calls(job, member, shared_, witness);
  if (!alone_.empty())
    send_calls(job, member, alone_, std::nullopt);
}

// One call, or several for a node that takes fewer rows at once than the job has.
void router_state::send_calls(const job_ptr& job, std::size_t member,
                              std::span<const experts::assignment> assignments,
                              std::optional<std::size_t> witness, bool relayed) {
  const auto send_out = [&](node_call& p) {
    send(job, p, member, relayed);
    if (witness)
      begin_check(job, p, *witness);
  };
  const auto most_rows = view_->members[member].description->max_rows;
  auto& whole = job->calls.emplace_back(new_call());
  whole.assignments.assign(assignments.begin(), assignments.end());
  rows_of(whole.assignments, whole.rows);
  if (whole.rows.size() <= most_rows)
    return send_out(whole);
  const auto rows = std::exchange(whole.rows, {});
  drop_call(*job, whole.id);
  for (auto first = std::size_t{0}; first < rows.size(); first += most_rows) {
    const auto last = std::min<std::size_t>(first + most_rows, rows.size()) - 1;
    auto& p = job->calls.emplace_back(new_call());
    for (const auto& a : assignments)
      if (a.row >= rows[first] && a.row <= rows[last])
        p.assignments.push_back(a);
    rows_of(p.assignments, p.rows);
    send_out(p);
  }
}

void router_state::send(const job_ptr& job, node_call& p, std::size_t member, bool relayed) {
  const auto& m = view_->members[member];
  auto& node = record_of(m);
  const auto& timing = relayed ? node.relay_timing : node.timing;
  const auto units = units_of(p.assignments);
  const auto now = this->now();
  auto a = attempt{};
  a.id = next_id_++;
  a.view = view_;
  a.member_index = member;
  a.sent = now;
  a.asked = self_->clock().now();
  a.relayed = relayed;
  a.bytes = call_bytes(*job->job, p.rows.size(), p.assignments.size(),
                       usual_row_bytes(job->job->hidden, options_.sums));
  a.bytes_ahead = node.bytes_in_flight + a.bytes;
  a.expected_us = timing.expected_us(units, a.bytes_ahead);
  a.allowed = timing.deadline(units, options_.limits, a.bytes_ahead);
  a.deadline = now + a.allowed;
  if (options_.hedge.enabled && p.attempts.empty() && !relayed)
    if (const auto slow = timing.slow_after(units, options_.hedge.quantile, a.bytes_ahead);
        slow.count() > 0)
      a.hedge_at = now + slow;
  node.busy_us += a.expected_us;
  node.bytes_in_flight += a.bytes;
  node.asked = now;
  if (relayed) {
    ++node.relayed;
    ++job->job->stats.relayed;
    mark_whole_rows(*job, p);
  }
  auto frame = frames_.take();
  builder_.build({a.id, a.allowed, !relayed,
                  relayed ? std::span<const std::byte>{p.whole_rows} : std::span<const std::byte>{},
                  options_.sums},
                 *job->job, p.assignments, p.rows, *frame);
  frames_.let_go_if_large(frame);
  job->job->stats.bytes_sent += frame->size();
  ++job->job->stats.calls;
  wake_at(a.hedge_at ? std::min(*a.hedge_at, *a.deadline) : *a.deadline);
  // What request().then() does, with memory that is used again. Deadlines are this actor's own, so
  // that a late answer is not lost.
  const auto request = self_->new_request_id(caf::message_priority::normal);
  a.reply = request.response_id();
  m.shard->enqueue(messages_.make(self_->ctrl(), request, run_atom::value,
                                  outgoing_call{a.id, std::move(frame)}),
                   self_->context());
  self_->add_multiplexed_response_handler(a.reply, replies_);
  p.tried.push_back(m.description->incarnation);
  p.attempts.push_back(std::move(a));
}

void router_state::release(const attempt& a) {
  auto& node = record_of(a.member());
  node.busy_us = std::max(node.busy_us - a.expected_us, 0.0f);
  node.bytes_in_flight -= std::min(node.bytes_in_flight, a.bytes);
  node.relayed -= a.relayed ? 1 : 0;
}

void router_state::park(const job_ptr& job, std::span<const experts::assignment> assignments) {
  const auto now = this->now();
  auto& parked = job->parked;
  parked.insert(parked.end(), assignments.begin(), assignments.end());
  std::sort(parked.begin(), parked.end(),
            [](const experts::assignment& a, const experts::assignment& b) {
              return a.expert != b.expert ? a.expert < b.expert : a.row < b.row;
            });
  if (!job->trouble_since)
    job->trouble_since = now;
  check_failover(job, now);
}

void router_state::finish(const job_ptr& job, result<void> how) {
  if (job->finished)
    return;
  job->finished = true;
  while (!job->calls.empty()) { // answers to these calls will be dropped
    for (const auto& a : job->calls.back().attempts)
      release(a);
    drop_call(*job, job->calls.back().id);
  }
  job->parked.clear();
  if (how)
    learn_way(*job);
  const auto done = std::move(job->job);
  std::erase(jobs_, job_ptr{job}); // a copy: `job` may be the one that is erased
  done->finish(std::move(how));
}

void router_state::finish_if_done(const job_ptr& job) {
  if (!job->finished && job->calls.empty() && job->parked.empty())
    finish(job, {});
}

} // namespace larql::actors
