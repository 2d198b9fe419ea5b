// scheduler: which rows go into a pass, and what becomes of it.

#include "actors/session/scheduler.hpp"

#include "runtime/base/log.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace larql::actors {

// ---- before a pass ------------------------------------------------------------------------------

void scheduler::end_stopped() {
  for (const auto& a : running_) {
    if (a->ended || a->passes != 0)
      continue;
    if (a->failed)
      end(*a, std::exchange(a->failed, std::nullopt));
    else if (a->is_stopped())
      end(*a);
  }
  for (auto r = waiting_.begin(); r != waiting_.end();) {
    if (!(*r)->stop.stop_requested()) {
      ++r;
      continue;
    }
    const auto stopped = std::move(*r);
    r = waiting_.erase(r);
    end_unbegun(*stopped, std::nullopt);
  }
}

// What a node that turned out to be wrong had a part in is read again.
void scheduler::renew(live_answer& a) {
  if (makers_ == nullptr || a.passes != 0 || a.sequence == nullptr ||
      makers_->condemnations() == a.condemnations)
    return;
  a.condemnations = makers_->condemnations();
  if (a.sequence->drafts_are_void(*makers_))
    (void) give_up_drafts(a);
  const auto size = a.sequence->size();
  const auto first = a.sequence->void_from(*makers_);
  if (first == size)
    return;
  const auto kept = a.sequence->truncate(first);
  log_warning("session",
              "request {}: {} of {} tokens are read again from position {}: a node that had a part "
              "in them has given wrong answers",
              a.request->id, size - kept, size, kept);
  a.stats.read_again += size - kept;
  a.reading = true;
  mark_boundaries(a);
}

std::vector<live_answer*> scheduler::candidates(const lane& l) {
  auto free = std::vector<live_answer*>{}, behind = std::vector<live_answer*>{};
  for (const auto& a : running_) {
    if (a->ended || a->failed || a->is_stopped() || a->is_paused())
      continue;
    if (a->passes != 0) {
      if (a->reading && !a->alone && a->unread() != 0 && a->passes < chunks_of(*a).passes)
        behind.push_back(a.get());
      continue;
    }
    renew(*a);
    if ((a->sequence != nullptr || revive(*a)) && !a->ended && a->unread() != 0)
      free.push_back(a.get());
  }
  if (free.empty())
    return behind; // the next chunk of a prompt whose last one is under way
  if (const auto alone =
          std::find_if(free.begin(), free.end(), [](const auto* a) { return a->alone; });
      alone != free.end())
    return {*alone};
  return part_of(std::move(free), l);
}

// The chunks of what is to be read of an answer, those under way included. Tokens that are decoded
// in other lanes meanwhile wait for them on this machine, on the way and at the nodes.
generate::flight scheduler::chunks_of(const live_answer& a) const {
  const auto others_decode = std::any_of(running_.begin(), running_.end(), [](const auto& o) {
    return !o->ended && !o->reading && !o->is_paused();
  });
  const auto most =
      others_decode && lanes_.size() > 1
          ? generate::rows_beside_one(run_->costs(), options_.latency_factor, options_.chunk)
          : options_.chunk;
  return generate::choose_flight(run_->costs(), std::max(a.unread() + a.in_passes, 1u), most,
                                 static_cast<std::uint32_t>(lanes_.size()));
}

// As many as there are groups have a part of all each, so that every lane has as much to do. A
// prompt slows down those that decode beside it: its chunks go to the lanes in turn.
std::vector<live_answer*> scheduler::part_of(std::vector<live_answer*> free, const lane& l) const {
  auto others = std::size_t{0};
  for (const auto& o : lanes_)
    if (&o != &l && o.pass.is_active())
      others += o.members.size();
  if (others != 0) {
    auto rest = std::vector<live_answer*>{};
    std::copy_if(free.begin(), free.end(), std::back_inserter(rest),
                 [&](const auto* a) { return !a->reading || a->last_lane != &l; });
    if (!rest.empty())
      free = std::move(rest);
  }
  // Whoever is left for the other lane decodes there; a prompt could be left each time.
  std::stable_partition(free.begin(), free.end(), [](const auto* a) { return a->reading; });
  const auto all = static_cast<std::uint32_t>(free.size() + others);
  const auto groups =
      generate::choose_flight(run_->costs(), all, all, static_cast<std::uint32_t>(lanes_.size()));
  free.resize(std::min<std::size_t>(free.size(), (all + groups.passes - 1) / groups.passes));
  return free;
}

std::vector<scheduler::member> scheduler::share(std::span<live_answer* const> among) const {
  auto load = pass_load{};
  auto decoding = std::map<std::uint32_t, std::uint32_t>{}; // by client
  struct prompts_of_client {
    double all = 0;
    double most = 0;
  };
  auto prompts = std::map<std::uint32_t, prompts_of_client>{};
  for (const auto* a : among) {
    if (a->reading) {
      load.reading += std::min(a->unread(), chunks_of(*a).rows);
      const auto weight = weight_of_prompt(a->tokens.size() - a->cached_tokens);
      auto& p = prompts[a->client];
      p.all += weight;
      p.most = std::max(p.most, weight);
    } else {
      ++load.decoding;
      ++decoding[a->client];
    }
  }
  load.clients = static_cast<std::uint32_t>(decoding.size());
  for (const auto& [client, answers] : decoding) {
    load.fewest = load.fewest == 0 ? answers : std::min(load.fewest, answers);
    auto borne = 0.0;
    for (const auto& [whose, p] : prompts)
      borne += whose == client ? p.all : p.most;
    load.waiting = load.waiting == 0 ? borne : std::min(load.waiting, borne);
  }
  const auto budget = budget_of(times_, load, options_.latency_factor, options_.chunk);

  auto demands = std::vector<row_demand>{};
  for (const auto* a : among) {
    auto wanted = row_demand{a->client, 1, a->reading, a->stats.tokens};
    if (a->reading) {
      wanted.rows = budget.reads ? std::min(a->unread(), chunks_of(*a).rows) : 0;
      wanted.order = a->order;
    }
    demands.push_back(wanted);
  }
  const auto rows = share_rows(demands, clients_.had(), budget.rows);
  auto out = std::vector<member>{};
  for (auto i = std::size_t{0}; i < rows.size(); ++i)
    if (rows[i] != 0)
      out.push_back({among[i], rows[i]});
  // Without memory for all, the youngest wait.
  std::sort(out.begin(), out.end(),
            [](const member& a, const member& b) { return a.answer->order < b.answer->order; });
  return out;
}

result<void> scheduler::start(lane& l, std::span<const member> members) {
  auto wanted = std::vector<generate::executor::part>{};
  planned_.clear();
  for (const auto& m : members)
    wanted.push_back(rows_of(m));
  LARQL_TRY_VOID(run_->begin(l.pass, wanted));
  l.members.assign(members.begin(), members.end());
  l.begun = session_clock::now();
  for (const auto& m : members) {
    m.answer->last_lane = &l;
    ++m.answer->passes;
    m.answer->in_passes += m.rows;
  }
  return {};
}

void scheduler::fill_lane(lane& l) {
  const auto among = candidates(l);
  if (among.empty())
    return;
  auto all = share(among);
  l.drafting = plan_drafts(all, among);
  auto members = std::span<const member>{all};
  while (!members.empty()) {
    const auto started = start(l, members);
    if (started)
      return;
    if (make_room(members))
      continue;
    if (members.size() > 1) {
      members = members.first(members.size() - 1);
      continue;
    }
    const auto others_run =
        std::any_of(lanes_.begin(), lanes_.end(), [](const lane& o) { return o.pass.is_active(); });
    if (!others_run)
      end(*members.front().answer, started.error());
    return;
  }
}

// ---- during a pass ------------------------------------------------------------------------------

// One that need not wait, the older first; else the oldest, which no other keeps waiting.
scheduler::lane* scheduler::next_lane() {
  lane* oldest = nullptr;
  lane* ready = nullptr;
  for (auto& l : lanes_) {
    if (!l.pass.is_active())
      continue;
    if (oldest == nullptr || l.begun < oldest->begun)
      oldest = &l;
    if ((run_->is_done(l.pass) || !run_->would_wait(l.pass)) &&
        (ready == nullptr || l.begun < ready->begun))
      ready = &l;
  }
  return ready != nullptr ? ready : oldest;
}

// ---- after a pass -------------------------------------------------------------------------------

void scheduler::settle(lane& l, const result<void>& outcome) {
  const auto now = session_clock::now();
  for (const auto& m : l.members) {
    --m.answer->passes;
    m.answer->in_passes -= m.rows;
    m.answer->stats.passes.add(l.pass.stats());
  }
  if (!outcome && outcome.error().code != errc::cancelled)
    take_apart(l, outcome.error());
  if (outcome) {
    count_pass(l, now);
    note_decoded(l, now);
    for (auto i = std::size_t{0}; i < l.members.size(); ++i) {
      const auto& [a, rows, has_drafts] = l.members[i];
      if (l.pass.is_left_out(i))
        continue;
      a->alone = false;
      auto& had = clients_.had_by(a->client);
      (a->reading ? had.read : had.decoded) += rows;
      if (!a->reading || a->prompt_read)
        continue;
      a->stats.prompt_tokens += rows;
      counts_.read_tokens += rows;
      tell_progress(*a);
    }
  }
  l.members.clear();
  changed_ = true;
}

void scheduler::take_apart(const lane& l, const failure& why) {
  ++counts_.failed_passes;
  auto live = std::vector<member>{};
  for (const auto& m : l.members)
    if (!m.answer->is_stopped())
      live.push_back(m);
  if (live.size() == 1 && !live.front().has_drafts) // it may be a draft's fault
    live.front().answer->failed = why;
  else
    for (const auto& m : live)
      m.answer->alone = true;
}

void scheduler::count_pass(const lane& l, session_clock::time_point now) {
  const auto took = now - l.begun;
  auto decoding = 0u, reading = 0u, drafts = 0u;
  for (auto i = std::size_t{0}; i < l.members.size(); ++i) {
    const auto& [a, rows, has_drafts] = l.members[i];
    if (l.pass.is_left_out(i))
      continue;
    (a->reading ? reading : decoding) += rows;
    drafts += has_drafts ? static_cast<unsigned>(a->drafts.tree.size()) : 0;
  }
  if (decoding + reading == 0)
    return;
  if (drafts == 0) // what is learnt is what answers cost without them
    timed_.push_back({decoding, reading, took});
  ++counts_.passes;
  counts_.pass_rows.add(decoding + reading + drafts);
  counts_.pass_seconds.add(std::chrono::duration<double>(took).count());
}

// What a client sees between two tokens is a pass and the choice of a token. The logits of `rows`
// rows took `choosing`; a pass has its rows' share of it.
void scheduler::learn_times(std::size_t rows, std::chrono::nanoseconds choosing) {
  const auto each = rows == 0 ? choosing : choosing / static_cast<std::int64_t>(rows);
  for (const auto& p : std::exchange(timed_, {}))
    if (p.decoding <= rows) // else some are paused or gone
      times_.add(p.decoding, p.reading, p.took + p.decoding * each);
}

} // namespace larql::actors
