// The router's spot checks: the same question to two owners, and what follows when their answers
// differ.
//
//     asked ──both answered──► equal: both are right so far
//                         └──► differ: a third owner ─► this machine's files ─► known answers
//                                         │ one of them decides          │ nothing decides
//                                         ▼                              ▼
//                                 the wrong node is condemned     the answer ends with an error
//
// A call that is checked waits for the outcome: a wrong sum is never used. Where both are condemned
// in the end, or the only one that answered was condemned elsewhere, the call is made again. What
// checks cost is not part of any node's timing.

#include "actors/laptop/router_calls.hpp"
#include "runtime/base/log.hpp"
#include "runtime/topology/coverage.hpp"

namespace larql::actors {

namespace {

std::string named(const cluster_member& m) {
  return fmt::format("node {} ({})", m.description->node, m.address);
}

std::vector<std::uint32_t> experts_of(std::span<const experts::assignment> assignments) {
  auto out = std::vector<std::uint32_t>{};
  for (const auto& a : assignments)
    if (out.empty() || out.back() != a.expert)
      out.push_back(a.expert);
  return out;
}

} // namespace

std::string router_state::spot_check::place() const {
  return fmt::format("layer {}, experts {}", job->layer,
                     topology::list_of(experts_of(assignments)));
}

// Now and then a call is chosen. The witness owns as many of the experts as possible, and is none
// of the nodes that have just failed.
std::optional<std::size_t>
router_state::choose_witness(const pending_job& job, std::size_t member,
                             std::span<const experts::assignment> assignments,
                             std::span<const std::uint64_t> avoid) {
  if (options_.spot_check == 0 || view_->members.size() < 2 ||
      options_.uniform() * options_.spot_check >= 1)
    return std::nullopt;
  auto best = std::optional<std::size_t>{};
  auto most = std::ptrdiff_t{0};
  const auto n = view_->members.size();
  const auto first = static_cast<std::size_t>(options_.uniform() * static_cast<double>(n));
  for (auto i = std::size_t{0}; i < n; ++i) {
    const auto m = (first + i) % n;
    const auto& other = view_->members[m];
    const auto avoided =
        std::find(avoid.begin(), avoid.end(), other.description->incarnation) != avoid.end();
    if (m == member || avoided || !other.is_usable() || is_suspect(other))
      continue;
    const auto owned =
        std::count_if(assignments.begin(), assignments.end(), [&](const experts::assignment& a) {
          return other.description->owned.contains(job.job->layer, a.expert);
        });
    if (owned > most) {
      most = owned;
      best = m;
    }
  }
  return best;
}

// @pre the call was sent to its first node
void router_state::begin_check(const job_ptr& job, node_call& p, std::size_t witness) {
  if (p.rows.size() > view_->members[witness].description->max_rows)
    return;
  auto c = std::make_shared<spot_check>();
  c->job = job->job;
  c->pending = job;
  c->call_id = p.id;
  c->assignments = p.assignments;
  c->rows = p.rows;
  c->opinions.push_back({p.attempts.front().view, p.attempts.front().member_index, {}, {}, {}});
  p.check = c;
  checks_.push_back(c);
  ask(*c, witness);
}

void router_state::ask(spot_check& c, std::size_t member) {
  const auto& m = view_->members[member];
  auto frame = frames_.take();
  builder_.build({next_id_++, options_.limits.call_ceiling, true, {}, options_.sums}, *c.job,
                 c.assignments, c.rows, *frame);
  frames_.let_go_if_large(frame);
  const auto request = self_->new_request_id(caf::message_priority::normal);
  m.shard->enqueue(messages_.make(self_->ctrl(), request, run_atom::value,
                                  outgoing_call{next_id_ - 1, std::move(frame)}),
                   self_->context());
  self_->add_multiplexed_response_handler(request.response_id(), replies_);
  c.opinions.push_back({view_, member, request.response_id(), self_->clock().now(), {}});
  c.until = now() + options_.limits.call_ceiling; // not sooner: it would go unchecked
  wake_at(c.until);
}

// The answers of calls that are made twice because the first was slow are compared as well.
void router_state::compare_late(const job_ptr& job, const node_call& p, const attempt& first,
                                std::vector<std::int64_t> sums) {
  for (const auto& late : p.attempts) {
    if (late.id == first.id || late.relayed ||
        late.member().description->incarnation == first.member().description->incarnation)
      continue;
    auto c = std::make_shared<spot_check>();
    c->job = job->job;
    c->assignments = p.assignments;
    c->rows = p.rows;
    c->opinions.push_back({first.view, first.member_index, {}, first.asked, sums});
    c->opinions.push_back({late.view, late.member_index, late.reply, late.asked, {}});
    c->until = now() + options_.limits.call_ceiling;
    wake_at(c->until);
    checks_.push_back(std::move(c));
  }
}

// The answer that the call itself has got. False: there is nothing to wait for.
bool router_state::hold_answer(node_call& p, const attempt& a, std::vector<std::int64_t> sums) {
  const auto c = p.check;
  const auto asked_twice =
      std::any_of(c->opinions.begin() + 1, c->opinions.end(), [&](const opinion& o) {
        return o.member().description->incarnation == a.member().description->incarnation;
      });
  if (asked_twice || c->over) {
    drop_check(c);
    return false;
  }
  c->opinions.front() = {a.view, a.member_index, {}, a.asked, std::move(sums)};
  p.attempts.clear();
  p.answered = true;
  weigh(c);
  return true;
}

std::pair<router_state::check_ptr, router_state::opinion*>
router_state::opinion_of(caf::message_id reply) const {
  for (const auto& c : checks_)
    for (auto& o : c->opinions)
      if (o.reply == reply && !o.sums)
        return {c, &o};
  return {};
}

void router_state::on_opinion(const received_result& answer) {
  const auto [check, o] = opinion_of(self_->current_message_id());
  if (!check)
    return;
  auto sums = sums_of(o->member(), answer.message, check->rows.size(), check->job->hidden);
  if (!sums || options_.makers->is_condemned(o->member().description->incarnation))
    return without_opinion(check, *o);
  o->sums = *std::move(sums);
  check->until = time::max();
  weigh(check);
}

// The witness did not answer: the check is off. A third node did not: another one may.
void router_state::on_no_opinion() {
  const auto [check, o] = opinion_of(self_->current_message_id());
  if (check)
    without_opinion(check, *o);
}

void router_state::without_opinion(const check_ptr& c, opinion& o) {
  if (c->opinions.size() > 2) {
    o.reply = {};
    o.sums.reset();
    c->until = time::max();
    return ask_third(c);
  }
  settle(c, 0);
}

// Equal, or who is wrong?
void router_state::weigh(const check_ptr& c) {
  auto& all = c->opinions;
  if (!all[0].sums || !all[1].sums) {
    if (!all[0].sums && !waiting_call(*c)) // its job has ended, or its call went elsewhere
      drop_check(c);
    return;
  }
  if (all.size() == 2) {
    if (*all[0].sums != *all[1].sums)
      return ask_third(c);
    for (const auto& o : all)
      options_.makers->found_right(o.member().description->incarnation, o.asked);
    return settle(c, 0);
  }
  const auto& third = all.back(); // those before it, but the first two, did not answer
  if (!third.sums)
    return;
  const auto judge = named(third.member());
  if (*third.sums == *all[0].sums)
    return condemn(c, 1, judge);
  if (*third.sums == *all[1].sums)
    return condemn(c, 0, judge);
  decide_here(c);
}

void router_state::ask_third(const check_ptr& c) {
  for (auto i = std::size_t{0}; i < view_->members.size(); ++i) {
    const auto& m = view_->members[i];
    const auto was_asked =
        std::any_of(c->opinions.begin(), c->opinions.end(), [&](const opinion& o) {
          return o.member().description->incarnation == m.description->incarnation;
        });
    if (!was_asked && m.is_usable() && !is_suspect(m) &&
        c->rows.size() <= m.description->max_rows && owns_all(m, c->job->layer, c->assignments))
      return ask(*c, i);
  }
  decide_here(c);
}

// By this machine's files if they agree with one of both, else by what both answer to the fixed
// inputs.
void router_state::decide_here(const check_ptr& c) {
  const auto& all = c->opinions;
  if (options_.own_sums)
    if (auto own = options_.own_sums(*c->job, c->assignments, c->rows)) {
      schema::round_sums(*own, c->job->hidden, options_.sums); // as the others sent theirs
      const auto wrong_0 = *own != *all[0].sums, wrong_1 = *own != *all[1].sums;
      if (wrong_0 != wrong_1)
        return condemn(c, wrong_0 ? 0 : 1, "this machine");
    }
  if (!options_.checker)
    return undecided(c);
  auto question = std::make_shared<dispute>();
  question->layer = c->job->layer;
  question->experts = experts_of(c->assignments);
  question->incarnations = {all[0].member().description->incarnation,
                            all[1].member().description->incarnation};
  self_
      ->request(options_.checker, 4 * options_.limits.call_ceiling, check_atom::value,
                dispute_ptr{std::move(question)})
      .then(
          [this, c](const verdict_ptr& said) {
            const auto is_wrong = [&](std::size_t i) {
              const auto id = c->opinions[i].member().description->incarnation;
              return std::find(said->wrong.begin(), said->wrong.end(), id) != said->wrong.end();
            };
            const auto wrong_0 = is_wrong(0), wrong_1 = is_wrong(1);
            if (!wrong_0 && !wrong_1)
              return undecided(c);
            if (wrong_0)
              name_wrong(c, 0, "its known answer");
            if (wrong_1)
              name_wrong(c, 1, "its known answer");
            settle(c, wrong_0 ? 1 : 0);
          },
          [this, c](const caf::error&) { undecided(c); });
}

void router_state::name_wrong(const check_ptr& c, std::size_t who, std::string_view judge) {
  const auto& m = c->opinions[who].member();
  const auto& other = c->opinions[1 - who].member();
  auto why = fmt::format("{}: its answer is not that of {}, and {} decides against it", c->place(),
                         named(other), judge);
  if (options_.makers->condemn(m.description->incarnation, why))
    options_.condemn(m, why);
}

void router_state::condemn(const check_ptr& c, std::size_t who, std::string_view judge) {
  name_wrong(c, who, judge);
  settle(c, 1 - who);
}

void router_state::undecided(const check_ptr& c) {
  auto why = fail(errc::corrupt,
                  "{}: {} and {} give different answers, and nothing here tells which is right "
                  "(larql verify --deep on both)",
                  c->place(), named(c->opinions[0].member()), named(c->opinions[1].member()));
  log_warning("router", "{}", why.text);
  const auto waits = waiting_call(*c) != nullptr;
  const auto job = c->pending;
  drop_check(c);
  if (waits)
    return finish(job, std::move(why));
  undecided_ = std::move(why); // the answer is in use: the job that comes next says so
}

router_state::node_call* router_state::waiting_call(const spot_check& c) const {
  return c.pending && !c.pending->finished ? c.pending->find(c.call_id) : nullptr;
}

failure router_state::not_used(const cluster_member& m) const {
  return fail(errc::corrupt, "node {}: its answers are not used any more: {}", m.description->node,
              options_.makers->why(m.description->incarnation));
}

// Nobody who was asked can be believed: the experts are asked of others.
void router_state::ask_anew(const check_ptr& c, const cluster_member& liar) {
  const auto job = c->pending;
  auto& p = *waiting_call(*c);
  const auto assignments = std::move(p.assignments);
  drop_check(c);
  drop_call(*job, p.id);
  ++job->job->stats.retries;
  job->last_owned = liar.description->owned;
  job->last_failure = not_used(liar);
  if (!job->trouble_since)
    job->trouble_since = now();
  dispatch(job, assignments, {});
  finish_if_done(job);
}

// The check is over; a call that waited for it gets the sums of the right node.
void router_state::settle(const check_ptr& c, std::size_t right) {
  auto* const p = waiting_call(*c);
  const auto job = c->pending;
  if (p != nullptr && p->answered) {
    const auto& o = c->opinions[right];
    if (options_.makers->is_condemned(o.member().description->incarnation))
      return ask_anew(c, o.member());
    const auto hidden = std::size_t{c->job->hidden};
    for (auto i = std::size_t{0}; i < c->rows.size(); ++i) {
      job->row_states[c->rows[i]] = pending_job::row_state::added;
      for (auto h = std::size_t{0}; h < hidden; ++h)
        c->job->sums[c->rows[i] * hidden + h] += (*o.sums)[i * hidden + h];
    }
    c->job->stats.makers |= options_.makers->set_of(o.member().description->incarnation);
    drop_call(*job, p->id);
  }
  drop_check(c);
  if (job)
    finish_if_done(job);
}

void router_state::drop_check(const check_ptr& c) {
  c->over = true;
  if (auto* p = waiting_call(*c))
    p->check.reset();
  std::erase(checks_, check_ptr{c});
}

void router_state::expire_checks(time now) {
  for (const auto& c : std::vector{checks_}) {
    if (!c->opinions[0].sums && waiting_call(*c) == nullptr) // its call went elsewhere
      drop_check(c);
    if (!c->over && c->until <= now)
      for (auto i = std::size_t{1}; i < c->opinions.size(); ++i)
        if (!c->opinions[i].sums && c->opinions[i].reply != caf::message_id{}) {
          without_opinion(c, c->opinions[i]);
          break;
        }
  }
}

} // namespace larql::actors
