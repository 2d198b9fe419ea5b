#include "runtime/grammar/constraint.hpp"

#include "runtime/grammar/compiled_rules.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace larql::grammar {

namespace {

template <class T>
void put(std::string& out, const T& value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof bytes);
}

// What a mask is of.
std::string key_of(const compiled_rules& rules, bool of_call, bool with_start, bool with_thought,
                   const place& at) {
  auto out = std::string{};
  out.reserve(32 + at.frames.size() * 12 + at.positions.size() * 8);
  put(out, rules.id);
  put(out,
      static_cast<std::uint8_t>((of_call ? 1 : 0) | (with_start ? 2 : 0) | (with_thought ? 4 : 0)));
  put(out, static_cast<std::uint32_t>(at.frames.size()));
  for (const auto& f : at.frames) {
    put(out, f.below);
    put(out, f.node);
    put(out, f.count);
  }
  for (const auto& p : at.positions) {
    put(out, p.node);
    put(out, p.stack);
  }
  return out;
}

} // namespace

constraint::constraint(std::shared_ptr<const compiled_rules> rules)
    : rules_(std::move(rules)), phase_(rules_->rules.in_thought ? phase::thought : phase::start) {
  if (rules_->content)
    place_ = rules_->content->start();
}

const output_rules* constraint::rules() const noexcept {
  return rules_ == nullptr ? nullptr : &rules_->rules;
}

bool constraint::may_think() const noexcept {
  return rules_->rules.thinking && !thought_is_over_ && rules_->core->control.channel_begin;
}

// Tokens that the grammar allows at this place, and control tokens that may come in their place.
mask_ptr constraint::grammar_mask() const {
  const auto of_call = phase_ == phase::call;
  auto& g = of_call ? *rules_->calls : *rules_->content;
  auto& core = *rules_->core;
  const auto at_start = phase_ == phase::start;
  const auto near = g.near_place(place_);
  const auto with_thought = at_start && may_think();
  auto key = key_of(*rules_, of_call, at_start, with_thought, near);
  if (auto known = core.masks.find(key))
    return known;
  auto bits = g.tokens_at(near);
  const auto allow = [&](std::uint32_t token) {
    bits[token / 64] |= std::uint64_t{1} << token % 64;
  };
  if (with_thought)
    allow(*core.control.channel_begin);
  if (at_start && rules_->may_call())
    allow(*core.control.call_begin);
  if (!of_call && g.accepts(near))
    for (const auto token : core.stops)
      allow(token);
  const auto empty = std::all_of(bits.begin(), bits.end(), [](auto word) { return word == 0; });
  auto mask = empty ? rules_->end
                    : std::make_shared<const token_mask>(
                          token_mask::of_bits(std::move(bits), core.trie->vocabulary()));
  core.masks.put(std::move(key), mask);
  return mask;
}

mask_ptr constraint::mask() const {
  if (rules_ == nullptr)
    return nullptr;
  const auto& r = *rules_;
  const auto budget = r.rules.thought_budget;
  switch (phase_) {
  case phase::off: return nullptr;
  case phase::start:
    if (r.must_call())
      return may_think() ? r.first_call_or_thought : r.first_call;
    return r.content ? grammar_mask() : r.text;
  case phase::thought:
    if (budget && thought_tokens_ >= *budget)
      return r.end_thought;
    return r.content || r.must_call() ? r.core->thought : nullptr;
  case phase::text: return r.text;
  case phase::content:
  case phase::call: return grammar_mask();
  case phase::after_call: return r.after_call;
  }
  return nullptr;
}

void constraint::advance(std::uint32_t token) {
  auto symbols = std::vector<symbol>{};
  rules_->core->trie->symbols_of(token, symbols);
  auto& g = phase_ == phase::call ? *rules_->calls : *rules_->content;
  place_ = symbols.empty() ? place{} : g.after(place_, symbols);
  if (place_.positions.empty())
    phase_ = phase::off;
}

void constraint::begin_call() {
  if (rules_->calls == nullptr) {
    phase_ = phase::text;
    return;
  }
  phase_ = phase::call;
  place_ = rules_->calls->start();
}

void constraint::accept_at_start(std::uint32_t token) {
  const auto& control = rules_->core->control;
  if (token == control.channel_begin) {
    phase_ = phase::thought;
  } else if (token == control.call_begin && rules_->may_call()) {
    begin_call();
  } else if (rules_->content && phase_ == phase::start) {
    phase_ = phase::content;
    advance(token);
  } else {
    phase_ = rules_->must_call() ? phase::off : phase::text;
  }
}

void constraint::accept(std::uint32_t token) {
  if (rules_ == nullptr)
    return;
  const auto& control = rules_->core->control;
  switch (phase_) {
  case phase::off: return;
  case phase::start:
  case phase::text: return accept_at_start(token);
  case phase::thought:
    ++thought_tokens_;
    if (token == control.channel_end) {
      phase_ = phase::start;
      thought_is_over_ = true;
    }
    return;
  case phase::content: return advance(token);
  case phase::call:
    advance(token);
    if (token == control.call_end && phase_ == phase::call)
      phase_ = phase::after_call;
    return;
  case phase::after_call:
    if (token == control.call_begin)
      begin_call();
    else
      phase_ = phase::off;
    return;
  }
}

bool constraint::may_end() const {
  switch (phase_) {
  case phase::off:
  case phase::text:
  case phase::after_call: return true;
  case phase::start: return !rules_->content && !rules_->must_call();
  case phase::content: return rules_->content->accepts(place_);
  case phase::thought:
  case phase::call: return false;
  }
  return true;
}

} // namespace larql::grammar
