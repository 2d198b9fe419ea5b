// scheduler: tokens are chosen where a sequence has all that it is to hold.

#include "actors/session/scheduler.hpp"

#include <algorithm>

namespace larql::actors {

bool scheduler::is_due(live_answer& a) {
  if (a.ended || a.failed || a.is_stopped() || a.passes != 0 || a.sequence == nullptr)
    return false;
  renew(a);
  if (a.unread() != 0 && !a.has_tried_drafts())
    return false;
  if (a.reading)
    end_reading(a);
  if (!a.generation) {
    end(a);
    return false;
  }
  if (a.generation->ended()) { // nothing was to be chosen
    end(a);
    return false;
  }
  return !a.is_paused();
}

// The prompt, or what was read again, is there. Further answers begin from here.
void scheduler::end_reading(live_answer& a) {
  a.reading = false;
  if (!a.prompt_read) {
    a.prompt_read = true;
    a.stats.prefill = session_clock::now() - a.begun;
    counts_.read_seconds += std::chrono::duration<double>(a.stats.prefill).count();
    if (a.generation)
      a.generation->set_room(a.sequence->max_context() - a.sequence->size() + 1);
  }
  for (auto& s : std::exchange(a.siblings, {})) {
    s->tokens = a.tokens;
    s->sequence = a.sequence->fork(a.sequence->size());
    s->reading = true; // ends at once
    s->cached_tokens = a.cached_tokens;
    s->stats = a.stats;
    s->condemnations = a.condemnations;
    running_.push_back(std::move(s));
  }
}

void scheduler::choose_tokens() {
  auto dues = std::vector<due>{};
  for (const auto& a : running_) // those that end_reading() appends as well
    if (is_due(*a))
      dues.push_back({a.get()});
  if (dues.empty()) {
    learn_times(0, {});
    return decoded_.clear();
  }
  const auto begin = session_clock::now();
  if (!take_steps(dues))
    // Logits that are not finite end only the answer whose they are.
    for (auto& d : dues)
      (void) take_steps({&d, 1});
  const auto took = session_clock::now() - begin;
  auto rows = std::size_t{0};
  for (const auto& d : dues)
    rows += d.rows;
  learn_times(rows, took);
  learn_passes(dues, rows, took);
}

bool scheduler::take_steps(std::span<due> dues) {
  auto rows = std::vector<generate::executor::row>{};
  for (auto& d : dues)
    list_rows(d, rows);
  const auto logits = run_->logits(rows);
  if (!logits) {
    if (dues.size() == 1 && !give_up_drafts(*dues.front().answer))
      end(*dues.front().answer, logits.error());
    return false;
  }
  const auto vocab = logits->size() / rows.size();
  compute_.pool.parallel_for(
      dues.size(), 1, [&](std::size_t begin, std::size_t end, unsigned worker) {
        for (auto i = begin; i < end; ++i) {
          auto& d = dues[i];
          const auto none = generate::draft_tree{};
          d.given = d.answer->generation->step(
              logits->subspan(d.row * vocab, d.rows * vocab),
              d.answer->has_tried_drafts() ? d.answer->drafts.tree : none, scratch_[worker]);
        }
      });
  for (auto& d : dues)
    give(d);
  return true;
}

// Tokens of one step come at the same time, which each of them had a part of.
void scheduler::count_step(live_answer& a, std::size_t tokens) {
  const auto now = session_clock::now();
  if (!a.first_token) {
    a.first_token = now;
    a.stats.to_first_token = now - a.request->admitted;
    counts_.to_first_token.add(std::chrono::duration<double>(a.stats.to_first_token).count());
  } else {
    const auto gap = (now - a.last_token) / tokens;
    a.stats.token_times.insert(a.stats.token_times.end(), tokens, gap);
    for (auto i = std::size_t{0}; i < tokens; ++i)
      counts_.between_tokens.add(std::chrono::duration<double>(gap).count());
    ++a.stats.speculation.steps;
    ++counts_.speculation.steps;
  }
  a.last_token = now;
}

void scheduler::give(due& d) {
  auto& a = *d.answer;
  accept_drafts(d);
  d.tokens =
      d.given.tokens.size() + (a.generation->reason() == generate::end_reason::stop_token ? 1 : 0);
  if (!d.given.tokens.empty()) {
    count_step(a, d.given.tokens.size());
    a.stats.tokens += d.given.tokens.size();
    counts_.answer_tokens += d.given.tokens.size();
    a.tokens.insert(a.tokens.end(), d.given.tokens.begin(), d.given.tokens.end());
    if (a.request->call.on_event)
      a.request->call.on_event(answer_step{a.choice, std::move(d.given)});
  }
  if (a.generation->ended())
    end(a);
}

} // namespace larql::actors
