#include "actors/session/scheduler.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

result<void> check(const session_options& o) {
  if (o.groups == 0 || o.groups > 16)
    return fail(errc::usage, "groups of sequences are {}, expected 1 to 16", o.groups);
  if (!(o.latency_factor >= 1 && o.latency_factor <= 1000))
    return fail(errc::usage, "latency factor is {}, expected 1 to 1000", o.latency_factor);
  if (o.limits.running == 0)
    return fail(errc::usage, "answers at the same time are 0, expected at least 1");
  if (o.predispatch != 0 && o.speculation.how != speculation::mode::off)
    return fail(errc::usage, "drafts cannot be verified by approximate passes");
  return {};
}

} // namespace

scheduler::scheduler(const parts& p, const session_options& options,
                     std::unique_ptr<generate::executor> run)
    : model_(p.model),
      compute_(p.compute),
      makers_(p.experts.makers()),
      disk_(p.disk),
      options_(options),
      pool_(gemma4::kv_pool::create(options.limits.kv_bytes, options.wipes)),
      run_(std::move(run)),
      cache_({options.limits.cache_bytes, options.share_prefix}, makers_),
      speculator_(options.speculation) {
  for (auto i = 0u; i < options.groups; ++i)
    lanes_.emplace_back(model_.config);
  scratch_.reserve(compute_.pool.threads());
  for (auto i = 0u; i < compute_.pool.threads(); ++i)
    scratch_.emplace_back(compute_.k);
  publish();
}

scheduler::~scheduler() {
  for (auto& l : lanes_)
    if (l.pass.is_active())
      run_->drop(l.pass);
}

result<std::unique_ptr<scheduler>> scheduler::create(const parts& p,
                                                     const session_options& options) {
  LARQL_TRY_VOID(check(options));
  LARQL_TRY(auto run, generate::executor::create(p.model, p.compute, p.experts,
                                                 {options.chunk, 1, false, options.predispatch}));
  auto out = std::unique_ptr<scheduler>{new scheduler{p, options, std::move(run)}};
  // The options of a sequence are checked where it is made.
  LARQL_TRY(const auto probe, out->new_sequence());
  (void) probe;
  return out;
}

// ---- what is asked ------------------------------------------------------------------------------

void scheduler::add(live_request_ptr r) {
  ++counts_.requests;
  r->answers_left = std::max(1u, static_cast<std::uint32_t>(r->call.request.answers.size()));
  changed_ = true;
  if (auto ok = set_prompt(*r); !ok)
    return end_unbegun(*r, ok.error());
  counts_.prompt_tokens += r->prompt.size();
  if (const auto s = sessions_.find(r->call.request.session); s != sessions_.end())
    s->second.tokens = r->prompt; // also if it is cancelled before it begins
  waiting_.push_back(std::move(r));
}

void scheduler::open(session_id id, std::string client) {
  sessions_.try_emplace(id, session{std::move(client), {}, nullptr});
  publish();
}

void scheduler::close(session_id id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end())
    return;
  // Its text may come again.
  if (caches())
    cache_.insert(found->second.client, std::move(found->second.sequence));
  sessions_.erase(found);
  publish();
}

void scheduler::forget(const std::string& clients) {
  cache_.forget(clients);
  for (const auto& r : waiting_)
    r->forgets = r->forgets || r->call.request.client.starts_with(clients);
  for (const auto& a : running_)
    a->request->forgets =
        a->request->forgets || a->request->call.request.client.starts_with(clients);
  publish();
}

// ---- what is done -------------------------------------------------------------------------------

bool scheduler::step() {
  if (std::exchange(changed_, false)) {
    end_stopped();
    choose_tokens();
    begin_waiting();
    std::erase_if(running_, [](const answer_ptr& a) { return a->ended; });
    refill_ = true;
    publish();
  }
  if (std::exchange(refill_, false))
    for (auto& l : lanes_)
      if (!l.pass.is_active())
        fill_lane(l);
  auto* const l = next_lane();
  if (l == nullptr)
    return changed_;
  const auto costs_were_known = run_->costs().is_known();
  auto done = run_->is_done(l->pass) ? result<void>{} : run_->advance(l->pass);
  refill_ = run_->costs().is_known() != costs_were_known; // more can be in flight
  if (!done) {
    settle(*l, done);
  } else if (run_->is_done(l->pass)) {
    run_->finish(l->pass);
    settle(*l, {});
  }
  return true;
}

void scheduler::save_all() {
  if (disk_ == nullptr || !stores())
    return;
  cache_.for_each([&](std::string_view owner, const generate::sequence& s) {
    disk_->save(std::string{owner}, s.share(s.size()));
    return true;
  });
  disk_->flush();
}

// ---- numbers ------------------------------------------------------------------------------------

void scheduler::publish() {
  auto& s = counts_;
  s.running = s.reading = s.paused = 0;
  for (const auto& a : running_) {
    if (a->ended)
      continue;
    ++s.running;
    s.reading += a->reading ? 1 : 0;
    s.paused += a->is_paused() ? 1 : 0;
  }
  s.waiting = 0;
  for (const auto& r : waiting_)
    s.waiting += r->answers_left;
  s.sessions = static_cast<std::uint32_t>(sessions_.size());
  s.kv_bytes = pool_->used_bytes();
  s.kv_limit = options_.limits.kv_bytes;
  s.cached_sequences = cache_.size();
  s.cached_bytes = cache_.bytes();
  s.cache_evictions = cache_.evictions();
  s.cost = run_->stats();
  const auto lock = std::scoped_lock{published_mutex_};
  published_ = s;
}

session_status scheduler::status() const {
  const auto lock = std::scoped_lock{published_mutex_};
  return published_;
}

} // namespace larql::actors
