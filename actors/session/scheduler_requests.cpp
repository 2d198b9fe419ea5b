// scheduler: how requests begin and end.

#include "actors/session/scheduler.hpp"

#include "runtime/base/wipe.hpp"
#include "runtime/models/gemma4/kv_size.hpp"

#include <algorithm>
#include <utility>

namespace larql::actors {

namespace {

/// A cached prefix shorter than this is not worth the memory that it holds.
constexpr std::uint32_t least_cached = 16;
/// Reading so many tokens takes longer than their file.
constexpr std::uint32_t least_from_disk = 256;
/// Boundaries in prompts of which nothing is known.
constexpr std::uint32_t interval = 2048;

std::uint32_t size_of(const std::vector<std::uint32_t>& tokens) {
  return static_cast<std::uint32_t>(tokens.size());
}

/// Of a prompt that is to be answered, the last token is read in any case: its row gives the first
/// logits.
std::uint32_t most_cached(const live_request& r) {
  return r.call.request.answers.empty() ? size_of(r.prompt) : size_of(r.prompt) - 1;
}

std::chrono::nanoseconds since(session_clock::time_point then) {
  return session_clock::now() - then;
}

} // namespace

// ---- waiting ------------------------------------------------------------------------------------

result<void> scheduler::set_prompt(live_request& r) const {
  auto& asked = r.call.request;
  r.prompt = std::move(asked.tokens);
  if (asked.session != 0) {
    const auto found = sessions_.find(asked.session);
    if (found == sessions_.end())
      return fail(errc::usage, "session {} is not open", asked.session);
    const auto& before = found->second.tokens;
    const auto kept = std::min<std::size_t>(before.size(), asked.keep);
    r.prompt.insert(r.prompt.begin(), before.begin(),
                    before.begin() + static_cast<std::ptrdiff_t>(kept));
  }
  if (r.prompt.empty())
    return fail(errc::usage, "the prompt is empty");
  if (r.prompt.size() > options_.limits.context)
    return fail(errc::usage, "the prompt's {} tokens do not fit the context of {}", r.prompt.size(),
                options_.limits.context);
  return {};
}

// A client without an answer under way never waits for another one's to end: it may begin beyond
// the bound, up to twice of it.
std::deque<live_request_ptr>::iterator scheduler::next_waiting() {
  auto running = std::size_t{0};
  for (const auto& a : running_)
    running += a->ended ? 0 : 1 + a->siblings.size();
  const auto full = running >= options_.limits.running;
  if (running >= std::size_t{2} * options_.limits.running)
    return waiting_.end();
  auto best = waiting_.end();
  auto fewest = ~0u;
  for (auto r = waiting_.begin(); r != waiting_.end(); ++r) {
    const auto has = clients_.requests_of((*r)->call.request.client);
    if ((has == 0 || !full) && has < fewest) { // the first that came, of equals
      best = r;
      fewest = has;
    }
  }
  return best;
}

bool scheduler::may_begin(const live_request& r) const {
  const auto limit = options_.limits.kv_bytes;
  const auto nobody =
      std::all_of(running_.begin(), running_.end(), [](const auto& a) { return a->ended; });
  if (limit == 0 || nobody)
    return true;
  const auto cached = cache_.reach(r.call.request.client, r.prompt, most_cached(r));
  const auto needed =
      kv_needed(r.prompt.size() + gemma4::kv_block_positions * r.answers_left, cached);
  return kv_committed() + needed <= limit;
}

void scheduler::begin_waiting() {
  for (;;) {
    const auto next = next_waiting();
    if (next == waiting_.end() || !may_begin(**next))
      return;
    const auto r = std::move(*next);
    waiting_.erase(next);
    if (!load_from_disk(r))
      begin(r);
  }
}

// ---- beginning ----------------------------------------------------------------------------------

bool scheduler::load_from_disk(const live_request_ptr& r) {
  if (disk_ == nullptr || std::exchange(r->tried_disk, true) || r->call.request.session != 0)
    return false;
  const auto& client = r->call.request.client;
  const auto most = most_cached(*r);
  const auto here = cache_.reach(client, r->prompt, most);
  if (disk_->reach(client, r->prompt, most) < here + least_from_disk)
    return false;
  auto into = new_sequence();
  if (!into)
    return false;
  ++loading_;
  disk_->load(client, r->prompt, most, *std::move(into),
              [later = on_later, r](std::unique_ptr<generate::sequence> s) {
                // std::function wants what can be copied.
                const auto got =
                    std::make_shared<std::unique_ptr<generate::sequence>>(std::move(s));
                later([got, r](scheduler& self) {
                  --self.loading_;
                  self.counts_.disk_hits += (*got)->size() != 0 ? 1 : 0;
                  self.cache_.insert(r->call.request.client, std::move(*got));
                  self.waiting_.push_front(r);
                  self.changed_ = true;
                });
              });
  return true;
}

scheduler::answer_ptr scheduler::new_answer(const live_request_ptr& r, std::uint32_t choice) {
  auto a = std::make_unique<live_answer>();
  a->request = r;
  a->choice = choice;
  a->client = clients_.enter(r->call.request.client);
  a->order = next_order_++;
  a->prompt_tokens = size_of(r->prompt);
  auto& answers = r->call.request.answers;
  if (!answers.empty())
    a->generation.emplace(std::move(answers[choice]));
  a->begun = session_clock::now();
  a->layers_before = run_->layer_times().added();
  return a;
}

void scheduler::begin(const live_request_ptr& r) {
  auto first = new_answer(r, 0);
  for (auto i = 1u; i < r->call.request.answers.size(); ++i)
    first->siblings.push_back(new_answer(r, i));
  first->tokens = r->prompt;
  auto& a = *first;
  running_.push_back(std::move(first));
  if (auto ok = find_start(a); !ok)
    return end(a, ok.error());
  a.cached_tokens = a.sequence->size();
  counts_.cached_tokens += a.cached_tokens;
  tell_progress(a);
}

result<std::unique_ptr<generate::sequence>> scheduler::new_sequence() const {
  auto o = generate::sequence_options{};
  o.kv = options_.kv;
  o.max_context = options_.limits.context;
  if (const auto limit = options_.limits.kv_bytes; limit != 0)
    o.snapshot_bytes = limit / 4; // one conversation's way back is not to crowd out all others
  return generate::sequence::create(model_, pool_, o);
}

std::optional<generate::sequence::prefix> scheduler::share_session(session_id id,
                                                                   std::uint32_t count) const {
  const auto found = sessions_.find(id);
  if (!stores() || found == sessions_.end() || found->second.sequence == nullptr)
    return std::nullopt;
  const auto& s = *found->second.sequence;
  const auto valid = makers_ == nullptr ? s.size() : s.void_from(*makers_);
  const auto kept = std::min({count, valid, s.size()});
  if (s.reach(kept) == 0)
    return std::nullopt;
  return s.share(kept);
}

void scheduler::fill_session(session_id id, std::unique_ptr<generate::sequence> s) {
  if (const auto found = sessions_.find(id); found != sessions_.end()) {
    found->second.tokens.assign(s->tokens().begin(), s->tokens().end());
    found->second.sequence = std::move(s);
  }
}

// A session's own sequence, as far as it has the text.
std::unique_ptr<generate::sequence> scheduler::take_session(live_answer& a) {
  const auto found = sessions_.find(a.request->call.request.session);
  if (found == sessions_.end() || found->second.sequence == nullptr)
    return nullptr;
  auto s = std::move(found->second.sequence);
  const auto common =
      std::mismatch(a.tokens.begin(), a.tokens.end(), s->tokens().begin(), s->tokens().end())
          .first -
      a.tokens.begin();
  s->truncate(std::min(static_cast<std::uint32_t>(common), size_of(a.tokens) - 1));
  return s;
}

result<void> scheduler::find_start(live_answer& a) {
  const auto& r = *a.request;
  a.reading = true;
  a.condemnations = 0; // what is found is looked at before a pass goes on from it
  a.sequence = take_session(a);
  if (a.sequence == nullptr) {
    const auto most = a.generation ? size_of(a.tokens) - 1 : size_of(a.tokens);
    ++counts_.cache_lookups;
    auto found = cache_.find(r.call.request.client, a.tokens, most, least_cached);
    counts_.cache_hits += found.start != nullptr ? 1 : 0;
    a.sequence = std::move(found.start);
    a.parent = found.parent;
  }
  if (a.sequence == nullptr) {
    LARQL_TRY(a.sequence, new_sequence());
  }
  mark_boundaries(a);
  return {};
}

void scheduler::mark_boundaries(live_answer& a) {
  using generate::boundary;
  const auto& hints = a.request->call.request.hints;
  const auto mark = [&](boundary kind, std::uint32_t position) {
    if (position >= a.sequence->size() && position <= a.prompt_tokens && position != 0)
      a.sequence->mark_ahead(kind, position);
  };
  if (hints.system_end == 0 && hints.turn_ends.empty())
    for (auto p = interval; p < a.prompt_tokens; p += interval)
      mark(boundary::interval, p);
  mark(boundary::system, hints.system_end);
  const auto turns = std::span{hints.turn_ends};
  for (const auto p : turns.last(std::min(turns.size(), generate::sequence::kept_turns)))
    mark(boundary::turn, p);
  mark(boundary::turn, a.prompt_tokens);
}

void scheduler::tell_progress(const live_answer& a) const {
  const auto tokens = std::min(a.sequence->size(), a.prompt_tokens);
  if (a.request->call.on_event)
    a.request->call.on_event(prompt_progress{tokens, a.cached_tokens, a.prompt_tokens});
}

// ---- ending -------------------------------------------------------------------------------------

void scheduler::tell_end(live_request& r, answer_end e) {
  e.prompt_tokens = size_of(r.prompt);
  counts_.failed += e.failed ? 1 : 0;
  counts_.cancelled += e.reason == generate::end_reason::stopped ? 1 : 0;
  publish(); // who hears of the end finds it counted
  // Who hears of the end may ask again at once: it has ended for all others before.
  const auto is_last = --r.answers_left == 0;
  if (is_last && options_.wipes)
    wipe_request(r);
  const auto tell = is_last ? std::exchange(r.call.on_event, {}) : r.call.on_event;
  if (is_last)
    on_ended(r.id);
  if (tell)
    tell(std::move(e));
}

void scheduler::wipe_request(live_request& r) const {
  wipe(r.prompt);
  wipe(r.call.request.tokens);
}

void scheduler::end_unbegun(live_request& r, const std::optional<failure>& failed) {
  auto& answers = r.call.request.answers;
  for (auto i = 0u, n = r.answers_left; i < n; ++i) {
    auto e = answer_end{};
    e.choice = i;
    e.failed = failed;
    e.queued = since(r.admitted);
    if (i < answers.size()) {
      if (!failed)
        answers[i].stop();
      e.reason = answers[i].reason();
      e.answer.emplace(std::move(answers[i]));
    } else if (!failed) {
      e.reason = generate::end_reason::stopped;
    }
    tell_end(r, std::move(e));
  }
}

void scheduler::end(live_answer& a, std::optional<failure> failed) {
  LARQL_CHECK(!a.ended && a.passes == 0);
  a.ended = true;
  changed_ = true;
  for (auto& s : a.siblings) { // the prompt was not read to its end
    s->stats = a.stats;
    end(*s, failed);
  }
  auto e = answer_end{};
  e.choice = a.choice;
  e.cached_tokens = a.cached_tokens;
  e.queued = a.begun - a.request->admitted;
  if (a.generation) {
    if (!failed && a.is_stopped())
      a.generation->stop();
    e.reason = a.generation->reason();
    e.rest = a.generation->finish();
    e.answer = std::move(a.generation);
  } else if (!failed && a.is_stopped()) {
    e.reason = generate::end_reason::stopped;
  }
  e.failed = std::move(failed);
  if (a.first_token)
    counts_.answer_seconds += std::chrono::duration<double>(a.last_token - *a.first_token).count();
  if (a.tokens.size() > a.prompt_tokens && speculator_.is_on())
    speculator_.learn(a.request->call.request.client, std::span{a.tokens}.subspan(a.prompt_tokens));
  a.stats.reason = e.reason;
  a.stats.predispatch = options_.predispatch;
  a.stats.sums = options_.sums;
  a.stats.layer_times = run_->layer_times().since(a.layers_before);
  e.stats = std::move(a.stats);
  keep(a);
  clients_.leave(a.client);
  tell_end(*a.request, std::move(e));
}

// What was computed is of use to whoever goes on from there.
void scheduler::keep(live_answer& a) {
  const auto& asked = a.request->call.request;
  if (a.sequence != nullptr)
    a.sequence->release_scratch();
  if (const auto s = sessions_.find(asked.session); s != sessions_.end()) {
    s->second.tokens = std::move(a.tokens);
    s->second.sequence = std::move(a.sequence);
    return;
  }
  if (options_.wipes)
    wipe(a.tokens);
  if (a.sequence == nullptr || a.request->forgets || !caches())
    return;
  if (const auto end = asked.hints.system_end;
      disk_ != nullptr && stores() && end >= least_from_disk && a.sequence->reach(end) == end)
    disk_->save(asked.client, a.sequence->share(end));
  cache_.insert(asked.client, std::move(a.sequence), a.parent);
}

} // namespace larql::actors
