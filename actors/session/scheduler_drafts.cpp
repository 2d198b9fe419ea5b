// scheduler: drafts of how answers go on, which passes try behind the tokens that were chosen last.
//
// A pass that tries drafts appends nothing: the token before them is a draft itself, the root of
// the tree. Once it is known which branch is right, that branch is appended.

#include "actors/session/scheduler.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

double seconds(std::chrono::nanoseconds t) {
  return std::chrono::duration<double>(t).count();
}

// Of a pass, what is computing experts: of the time with nodes as much as of the slowest call.
double compute_share(const gemma4::pass_stats& s) {
  const auto& t = s.times;
  const auto all = t.attention + t.router + t.dense + t.experts + t.combine;
  if (all.count() == 0)
    return 0;
  const auto experts = seconds(t.experts) / seconds(all);
  if (s.calls.calls == 0)
    return experts;
  return s.calls.slowest.count() == 0
             ? 0
             : experts * seconds(s.calls.slowest_compute) / seconds(s.calls.slowest);
}

} // namespace

// ---- before a pass ------------------------------------------------------------------------------

// Trees that were not looked at, as of an answer that was paused, are tried again or given up.
//
// A pass that prompts wait for is to show what decoding takes without drafts, and one that reads
// them is long enough.
double scheduler::plan_drafts(std::span<member> members, std::span<live_answer* const> among) {
  if (!speculator_.is_on())
    return 0;
  for (const auto& m : members)
    if (m.answer->sequence->drafts() != 0)
      (void) m.answer->sequence->accept({});
  if (std::any_of(among.begin(), among.end(), [](const auto* a) { return a->reading; }))
    return 0;
  auto wishes = std::vector<speculation::speculator::wish>{};
  auto rows = 0u;
  for (const auto& [a, own, has_drafts] : members) {
    rows += own;
    if (a->alone || a->unread() != 1)
      continue;
    if (a->drafts.drafters.empty())
      a->drafts = speculator_.begin(a->request->call.request.client);
    wishes.push_back({&a->drafts, {a->tokens, a->sequence.get()}, &*a->generation});
  }
  const auto took = speculator_.plan(wishes, rows);
  for (auto& m : members)
    m.has_drafts = !m.answer->alone && !m.answer->drafts.tree.empty();
  return took;
}

generate::executor::part scheduler::rows_of(const member& m) {
  auto& a = *m.answer;
  const auto unread = std::span{a.tokens}.subspan(a.sequence->size() + a.in_passes, m.rows);
  if (!m.has_drafts)
    return {a.sequence.get(), unread, {}, a.request->stop.get_token()};
  auto& whole = planned_.emplace_back();
  whole.add(unread.front(), -1, 1);
  const auto& drafts = a.drafts.tree;
  for (auto i = std::size_t{0}; i < drafts.size(); ++i)
    whole.add(drafts.tokens[i], drafts.parents[i] + 1, drafts.chances[i]);
  return {a.sequence.get(), whole.tokens, whole.parents, a.request->stop.get_token()};
}

// ---- after a pass -------------------------------------------------------------------------------

void scheduler::note_decoded(const lane& l, session_clock::time_point now) {
  if (!speculator_.is_on())
    return;
  auto pass = decoded_pass{};
  pass.what.seconds = seconds(now - l.begun);
  pass.what.drafting = l.drafting;
  for (auto i = std::size_t{0}; i < l.members.size(); ++i) {
    const auto& [a, rows, has_drafts] = l.members[i];
    if (a->reading || l.pass.is_left_out(i))
      return;
    pass.what.rows += rows;
    pass.what.drafts += has_drafts ? static_cast<std::uint32_t>(a->drafts.tree.size()) : 0;
    pass.answers.push_back(a);
  }
  pass.what.answers = static_cast<std::uint32_t>(pass.answers.size());
  if (pass.what.drafts == 0)
    speculator_.set_compute_share(compute_share(l.pass.stats()));
  decoded_.push_back(std::move(pass));
}

// The logits of a pass are of its price, and every token that it gave of its worth.
void scheduler::learn_passes(std::span<const due> dues, std::size_t rows,
                             std::chrono::nanoseconds choosing) {
  for (auto& p : std::exchange(decoded_, {})) {
    auto heard = std::size_t{0};
    for (const auto& d : dues)
      if (std::find(p.answers.begin(), p.answers.end(), d.answer) != p.answers.end()) {
        p.what.tokens += d.tokens;
        ++heard;
      }
    if (heard != p.answers.size())
      continue; // some are paused, or read again
    const auto own = p.what.rows + p.what.drafts;
    p.what.seconds += seconds(choosing) * own / static_cast<double>(rows);
    speculator_.passed(p.what);
  }
}

void scheduler::list_rows(due& d, std::vector<generate::executor::row>& rows) const {
  const auto& s = *d.answer->sequence;
  d.row = rows.size();
  if (!d.answer->has_tried_drafts())
    rows.push_back({&s, s.size() - 1});
  else
    for (auto i = 0u; i < s.drafts(); ++i)
      rows.push_back({&s, i, true});
  d.rows = rows.size() - d.row;
}

void scheduler::accept_drafts(due& d) {
  auto& a = *d.answer;
  if (!a.has_tried_drafts())
    return;
  auto branch = std::vector<std::uint32_t>{0};
  for (const auto draft : d.given.accepted)
    branch.push_back(draft + 1);
  speculator_.verified(a.drafts, d.given.accepted);
  a.stats.speculation.add(a.drafts.tree, d.given.accepted);
  counts_.speculation.add(a.drafts.tree, d.given.accepted);
  clients_.had_by(a.client).decoded += d.given.accepted.size();
  if (!a.sequence->accept(branch)) {
    // Without memory they are read again, once there is room.
    (void) a.sequence->accept({});
    a.reading = true;
  }
}

// The token before the drafts is read again without any. False: there were none.
bool scheduler::give_up_drafts(live_answer& a) {
  if (!a.has_tried_drafts())
    return false;
  (void) a.sequence->accept({});
  a.alone = true;
  return true;
}

} // namespace larql::actors
