// The router when something goes wrong: lost and late calls, and time.

#include "actors/laptop/router_calls.hpp"
#include "runtime/base/log.hpp"

namespace larql::actors {

namespace {

using std::chrono::milliseconds;

// While something is waited for, ticks come at least this often, so that a stop is noticed.
constexpr auto longest_sleep = milliseconds{250};
// After a stop: for the network thread to read what has come meanwhile.
constexpr auto reading_time = milliseconds{100};

// Who waits longer than this for an answer is told for what.
constexpr auto notice_time = milliseconds{1000};

// A call whose attempts fail this often is not helped by another: the call itself may be what kills
// shards.
constexpr unsigned most_node_failures = 4;

} // namespace

void router_state::on_error(const caf::error& err) {
  const auto place = place_of(self_->current_message_id());
  if (!place)
    return on_no_opinion();
  const auto& job = place->job;
  auto& p = *job->find(place->call_id);
  const auto it = std::find_if(p.attempts.begin(), p.attempts.end(),
                               [&](const attempt& a) { return a.id == place->attempt_id; });
  const auto& m = it->member();
  auto text = text_of(err);
  if (err == caf::sec::request_receiver_down)
    text = fmt::format("node {}: the connection is lost ({})", m.description->node, m.address);
  auto why = fail(errc::unavailable, "{}", text);
  const auto code = code_of(err);
  if (code == failure_code::bad_call && !it->relayed) // no node would take it
    return finish(job, fail(errc::internal, "layer {}: {}", job->job->layer, text));
  if (code == failure_code::internal)
    ++job->node_failures;
  // Else overloaded, draining, restarting, lost: another node may do it.
  give_up_attempt(job, p, place->attempt_id, std::move(why));
}

// An attempt has ended without an answer. Other attempts of the call may still be in flight;
// otherwise its assignments go to another node, or wait.
void router_state::give_up_attempt(const job_ptr& job, node_call& p, std::uint64_t attempt_id,
                                   failure why) {
  const auto it = std::find_if(p.attempts.begin(), p.attempts.end(),
                               [&](const attempt& a) { return a.id == attempt_id; });
  release(*it);
  if (it->relayed)
    relay_failed(it->member());
  job->last_owned = it->member().description->owned;
  job->last_failure = std::move(why);
  p.attempts.erase(it);
  if (!job->trouble_since)
    job->trouble_since = now();
  if (!p.attempts.empty())
    return;
  auto assignments = std::move(p.assignments);
  const auto tried = std::move(p.tried);
  drop_call(*job, p.id);
  ++job->job->stats.retries;
  if (job->node_failures >= most_node_failures) {
    job->parked = std::move(assignments);
    return finish(job, missing_experts(*job, now()));
  }
  const auto somebody_else =
      std::any_of(view_->members.begin(), view_->members.end(), [&](const cluster_member& m) {
        return m.is_usable() && !is_suspect(m) &&
               std::find(tried.begin(), tried.end(), m.description->incarnation) == tried.end() &&
               std::any_of(assignments.begin(), assignments.end(),
                           [&](const experts::assignment& assignment) {
                             return m.description->owned.contains(job->job->layer,
                                                                  assignment.expert);
                           });
      });
  if (somebody_else) {
    dispatch(job, assignments, tried);
    return finish_if_done(job);
  }
  // The same node again, but not at once; a new view may come first.
  park(job, assignments);
  if (job->finished)
    return;
  const auto delay = backoff_delay(options_.retry, job->retries++, options_.uniform());
  job->retry_at = now() + delay;
  wake_at(*job->retry_at);
}

// A single node, not tried yet, that could answer the whole call.
std::optional<std::size_t> router_state::other_owner(const pending_job& job, const node_call& p) {
  for (auto i = std::size_t{0}; i < view_->members.size(); ++i) {
    const auto& m = view_->members[i];
    if (m.is_usable() && !is_suspect(m) &&
        std::find(p.tried.begin(), p.tried.end(), m.description->incarnation) == p.tried.end() &&
        owns_all(m, job.job->layer, p.assignments))
      return i;
  }
  return std::nullopt;
}

void router_state::on_expired(const job_ptr& job, node_call& p, attempt& a) {
  a.deadline.reset();
  if (a.relayed) // an owner behind it may be what is slow
    relay_failed(a.member());
  else
    set_suspect(a.member(), true);
  job->last_failure =
      fail(errc::deadline, "node {}: no answer within {} ms ({})", a.member().description->node,
           std::chrono::duration_cast<milliseconds>(a.allowed).count(), a.member().address);
  job->last_owned = a.member().description->owned;
  if (!job->trouble_since)
    job->trouble_since = now();
  if (const auto other = other_owner(*job, p)) {
    ++job->job->stats.retries;
    send(job, p, *other);
    return;
  }
  // Several others together, if they have it all; else this answer is still the best hope.
  const auto all_owned = std::all_of(
      p.assignments.begin(), p.assignments.end(), [&](const experts::assignment& assignment) {
        return std::any_of(
            view_->members.begin(), view_->members.end(), [&](const cluster_member& m) {
              return m.is_usable() && !is_suspect(m) &&
                     m.description->owned.contains(job->job->layer, assignment.expert);
            });
      });
  if (!all_owned || p.attempts.size() > 1)
    return;
  release(a);
  const auto assignments = std::move(p.assignments);
  const auto tried = std::move(p.tried);
  drop_call(*job, p.id);
  ++job->job->stats.retries;
  dispatch(job, assignments, tried);
}

// Calls that missed their deadline without another owner: the new view may have one.
void router_state::ask_others(const job_ptr& job) {
  for (auto& p : job->calls) {
    if (!p.is_late())
      continue;
    if (const auto other = other_owner(*job, p)) {
      ++job->job->stats.retries;
      send(job, p, *other);
    }
  }
}

void router_state::hedge(const job_ptr& job, node_call& p) {
  if (p.attempts.size() != 1)
    return;
  if (const auto other = other_owner(*job, p)) {
    ++job->job->stats.hedges;
    send(job, p, *other);
  }
}

// ---- time ---------------------------------------------------------------------------------------

router_state::time router_state::now() {
  const auto stops = clock_.stops();
  const auto t = clock_.look(self_->clock().now());
  if (clock_.stops() != stops && !judge_from_)
    judge_from_ = t + reading_time;
  return t;
}

void router_state::wake_at(time when) {
  const auto now = this->now();
  when = std::clamp(when, now, now + longest_sleep);
  if (wake_ && *wake_ <= when)
    return;
  wake_ = when;
  clock_.expect(when);
  self_->delayed_send(self_, when - now, tick_atom::value);
}

// Looks at everything that may be due and sleeps until the next thing is.
void router_state::on_tick() {
  const auto now = this->now();
  if (wake_ && *wake_ > now)
    return; // an earlier tick took its place
  wake_.reset();
  clock_.rest();
  if (judge_from_ && *judge_from_ > now)
    return wake_at(*judge_from_);
  judge_from_.reset();
  for (const auto& job : std::vector{jobs_}) {
    if (job->job->is_abandoned()) {
      finish(job, fail(errc::cancelled, "abandoned"));
      continue;
    }
    if (job->retry_at && *job->retry_at <= now) {
      job->retry_at.reset();
      const auto parked = std::exchange(job->parked, {});
      dispatch(job, parked, {});
    }
    auto due = std::vector<std::pair<std::uint64_t, std::uint64_t>>{};
    for (const auto& p : job->calls)
      for (const auto& a : p.attempts)
        if ((a.deadline && *a.deadline <= now) || (a.hedge_at && *a.hedge_at <= now))
          due.emplace_back(p.id, a.id);
    for (const auto& [call_id, attempt_id] : due) {
      auto* const found = job->find(call_id);
      if (found == nullptr)
        continue;
      auto& attempts = found->attempts;
      const auto it = std::find_if(attempts.begin(), attempts.end(),
                                   [&, id = attempt_id](const attempt& a) { return a.id == id; });
      if (it == attempts.end())
        continue;
      it->hedge_at.reset();
      if (it->deadline && *it->deadline <= now)
        on_expired(job, *found, *it);
      else
        hedge(job, *found);
    }
    check_failover(job, now);
    finish_if_done(job);
  }
  expire_checks(now);
  auto next = std::optional<time>{};
  const auto consider = [&](const std::optional<time>& t) {
    if (t && (!next || *t < *next))
      next = t;
  };
  for (const auto& c : checks_)
    if (c->until != time::max())
      consider(c->until);
  for (const auto& job : jobs_) {
    consider(job->retry_at);
    if (job->trouble_since && *job->trouble_since + options_.limits.failover > now)
      consider(*job->trouble_since + options_.limits.failover);
    for (const auto& p : job->calls)
      for (const auto& a : p.attempts) {
        consider(a.deadline);
        consider(a.hedge_at);
      }
  }
  if (next)
    wake_at(*next);
}

void router_state::check_failover(const job_ptr& job, time now) {
  if (job->finished || !job->trouble_since)
    return;
  auto end = *job->trouble_since + options_.limits.failover;
  if (judge_from_)
    end = std::max(end, *judge_from_);
  // Calls that were made again may be in flight; only calls without an answer count.
  const auto stuck =
      !job->parked.empty() || std::any_of(job->calls.begin(), job->calls.end(),
                                          [](const node_call& p) { return p.is_late(); });
  if (now >= end) {
    if (stuck)
      finish(job, missing_experts(*job, now));
    return;
  }
  wake_at(end);
  if (stuck && !job->is_said && now - *job->trouble_since >= notice_time) {
    job->is_said = true;
    log_warning("cluster", "the answer waits, at most {} s: {}",
                std::chrono::ceil<std::chrono::seconds>(options_.limits.failover).count(),
                missing_experts(*job, now).text);
  }
}

failure router_state::missing_experts(const pending_job& job, time now) const {
  auto ids = std::vector<std::uint32_t>{};
  const auto add = [&](std::span<const experts::assignment> assignments) {
    for (const auto& p : assignments)
      ids.push_back(p.expert);
  };
  add(job.parked);
  for (const auto& p : job.calls)
    if (p.is_late())
      add(p.assignments);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  // The whole range of the node that is lost says more to an operator than the few experts of a
  // row.
  const auto has_all = [&](const experts::ownership& o) {
    return !ids.empty() && std::all_of(ids.begin(), ids.end(), [&](std::uint32_t e) {
      return o.contains(job.job->layer, e);
    });
  };
  const auto lost = std::find_if(view_->missing.begin(), view_->missing.end(),
                                 [&](const auto& absent) { return has_all(absent.owned); });
  auto range = topology::list_of(ids);
  if (job.last_failure && has_all(job.last_owned))
    range = to_string(job.last_owned.experts);
  else if (!job.last_failure && lost != view_->missing.end())
    range = to_string(lost->owned.experts);
  auto text = fmt::format("layer {}, experts {}", job.job->layer, range);
  if (job.last_failure)
    text += ": " + job.last_failure->text;
  for (const auto& absent : view_->missing)
    if ((!job.last_failure || job.last_failure->text != absent.why) &&
        std::any_of(ids.begin(), ids.end(),
                    [&](std::uint32_t e) { return absent.owned.contains(job.job->layer, e); }))
      text += "; " + absent.why;
  const auto waited = std::chrono::duration_cast<milliseconds>(now - *job.trouble_since);
  if (waited.count() > 0)
    text += fmt::format("; waited {} ms for somebody who has them", waited.count());
  return {job.last_failure ? job.last_failure->code : errc::unavailable, std::move(text)};
}

} // namespace larql::actors
