#include "actors/laptop/remote_request.hpp"

#include "runtime/base/wipe.hpp"

#include <algorithm>
#include <utility>

namespace larql::actors {

remote_request::remote_request(session_request_id id, session_call call,
                               std::vector<std::uint32_t> tokens, time now)
    : id_(id), call_(std::move(call)), prompt_(std::move(tokens)), begun_(now) {
  for (auto& g : call_.request.answers) {
    auto& a = answers_.emplace_back();
    a.form = describe(g);
    a.generation = std::move(g);
  }
  if (answers_.empty())
    answers_.emplace_back();
  open_ = static_cast<std::uint32_t>(answers_.size());
}

remote_request::~remote_request() {
  wipe(prompt_);
  for (auto& a : answers_)
    wipe(a.given);
}

std::vector<std::uint32_t> remote_request::text() const {
  auto out = prompt_;
  out.insert(out.end(), answers_.front().given.begin(), answers_.front().given.end());
  return out;
}

std::uint64_t remote_request::tokens_to_read() const {
  auto out = std::uint64_t{prompt_.size()};
  for (const auto& a : answers_)
    out += a.ended ? 0 : a.given.size();
  return out;
}

std::vector<std::uint64_t> remote_request::numbers() const {
  auto out = std::vector<std::uint64_t>{};
  for (const auto& [number, choices] : parts_)
    out.push_back(number);
  return out;
}

// ---- asking -------------------------------------------------------------------------------------

// Answers that nothing was given of share their prompt; each other one is asked for by itself.
std::vector<std::vector<std::uint32_t>> remote_request::split() const {
  auto out = std::vector<std::vector<std::uint32_t>>{};
  auto fresh = std::vector<std::uint32_t>{};
  for (auto i = 0u; i < answers_.size(); ++i) {
    if (answers_[i].ended)
      continue;
    if (answers_[i].given.empty())
      fresh.push_back(i);
    else
      out.push_back({i});
  }
  if (!fresh.empty())
    out.push_back(std::move(fresh));
  return out;
}

std::vector<schema::session_ask> remote_request::orders(std::uint64_t& next_number) {
  parts_.clear();
  auto out = std::vector<schema::session_ask>{};
  for (auto& choices : split()) {
    auto& ask = out.emplace_back();
    ask.id = next_number++;
    ask.tokens = prompt_;
    ask.client = asked().client;
    ask.system_end = asked().hints.system_end;
    ask.turn_ends = asked().hints.turn_ends;
    for (const auto c : choices) {
      if (!answers_[c].form)
        continue;
      ask.answers.push_back(*answers_[c].form);
      ask.answers.back().given = answers_[c].given;
    }
    const auto& given = answers_[choices.front()].given;
    ask.tokens.insert(ask.tokens.end(), given.begin(), given.end());
    parts_.emplace(ask.id, std::move(choices));
  }
  return out;
}

std::vector<std::pair<std::uint64_t, session_request>>
remote_request::requests(std::uint64_t& next_number) {
  parts_.clear();
  auto out = std::vector<std::pair<std::uint64_t, session_request>>{};
  for (auto& choices : split()) {
    auto& [number, r] = out.emplace_back(next_number++, session_request{});
    r.tokens = prompt_;
    r.client = asked().client;
    r.hints = asked().hints;
    for (const auto c : choices)
      if (answers_[c].generation)
        r.answers.push_back(*answers_[c].generation);
    const auto& given = answers_[choices.front()].given;
    r.tokens.insert(r.tokens.end(), given.begin(), given.end());
    parts_.emplace(number, std::move(choices));
  }
  return out;
}

// ---- hearing ------------------------------------------------------------------------------------

void remote_request::tell(session_event e) {
  if (paused_since_)
    held_.push_back(std::move(e));
  else if (call_.on_event)
    call_.on_event(std::move(e));
}

result<std::uint32_t> remote_request::choice_of(std::uint64_t number, std::uint32_t choice) const {
  const auto part = parts_.find(number);
  if (part == parts_.end() || choice >= part->second.size())
    return fail(errc::corrupt, "an event is of answer {}, which was not asked for", choice);
  const auto mine = part->second[choice];
  if (answers_[mine].ended)
    return fail(errc::corrupt, "an event came behind the end of its answer");
  return mine;
}

result<void> remote_request::take(std::uint64_t number, schema::session_event event, time now) {
  if (auto* p = std::get_if<schema::session_progress>(&event.what)) {
    if (p->tokens > p->total || p->cached > p->total)
      return fail(errc::corrupt, "{} of {} tokens were read", p->tokens, p->total);
    if (total_ == 0)
      cached_ = p->cached;
    total_ = p->total;
    tell(progress_of(*p));
    return {};
  }
  if (auto* step = std::get_if<schema::session_step>(&event.what)) {
    LARQL_TRY(const auto choice, choice_of(number, step->choice));
    return take_step(choice, std::move(*step), now);
  }
  if (auto* e = std::get_if<schema::session_finish>(&event.what)) {
    LARQL_TRY(const auto choice, choice_of(number, e->choice));
    auto end = answer_end{};
    end.reason = static_cast<generate::end_reason>(e->reason);
    if (e->failed)
      end.failed = failure_of(*e);
    end.queued = std::chrono::nanoseconds{e->queued_ns};
    auto& stats = answers_[choice].stats;
    if (stats.prefill.count() == 0) { // not of what is read again
      stats.prefill = std::chrono::nanoseconds{e->prefill_ns};
      stats.prompt_tokens = e->read_tokens;
    }
    finish(choice, std::move(end), now);
    return {};
  }
  return fail(errc::corrupt, "an event is of a kind that no answer has");
}

result<void> remote_request::take_step(std::uint32_t choice, schema::session_step step, time now) {
  auto& a = answers_[choice];
  if (!a.generation)
    return fail(errc::corrupt, "a token came for a prompt that is only read");
  auto next = *a.generation; // put back if it makes no sense
  LARQL_TRY(auto given, actors::take_step(next, std::move(step)));
  *a.generation = std::move(next);
  if (given.tokens.empty())
    return {};
  if (!a.first_token) {
    a.first_token = now;
    a.stats.to_first_token = now - begun_;
  } else {
    a.stats.token_times.push_back(now - a.last_token);
  }
  a.last_token = now;
  a.stats.tokens += given.tokens.size();
  a.given.insert(a.given.end(), given.tokens.begin(), given.tokens.end());
  tell(answer_step{choice, std::move(given)});
  return {};
}

void remote_request::finish(std::uint32_t choice, answer_end e, time) {
  auto& a = answers_[choice];
  a.ended = true;
  --open_;
  e.choice = choice;
  e.prompt_tokens = static_cast<std::uint32_t>(prompt_.size());
  e.cached_tokens = cached_;
  if (a.generation) {
    a.generation->end(e.reason);
    if (!e.failed)
      e.reason = a.generation->reason(); // by its own rules, where they say
    e.rest = a.generation->finish();
    e.answer = std::move(a.generation);
    a.generation.reset();
  }
  a.stats.reason = e.reason;
  e.stats = std::move(a.stats);
  tell(std::move(e));
}

void remote_request::end(const std::optional<failure>& why, time now) {
  resume(); // whoever is slow hears of the end all the same
  for (auto i = 0u; i < answers_.size(); ++i) {
    if (answers_[i].ended)
      continue;
    auto e = answer_end{};
    e.failed = why;
    if (!why)
      e.reason = generate::end_reason::stopped;
    finish(i, std::move(e), now);
  }
}

void remote_request::settle(time now) {
  for (auto i = 0u; i < answers_.size(); ++i)
    if (const auto& a = answers_[i]; !a.ended && a.generation && a.generation->ended()) {
      auto e = answer_end{};
      e.reason = a.generation->reason();
      finish(i, std::move(e), now);
    }
}

void remote_request::pause(time now) {
  if (!paused_since_)
    paused_since_ = now;
}

void remote_request::resume() {
  paused_since_.reset();
  for (auto& e : std::exchange(held_, {}))
    if (call_.on_event)
      call_.on_event(std::move(e));
}

} // namespace larql::actors
