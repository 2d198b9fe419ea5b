#include "runtime/generate/prefix_cache.hpp"

#include <algorithm>
#include <vector>

namespace larql::generate {

namespace {

std::uint32_t common_prefix(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b) {
  return static_cast<std::uint32_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                                    a.begin());
}

// A block once, though a sequence and its snapshots hold it.
std::vector<const gemma4::kv_block*> blocks_of(const sequence& s) {
  auto out = std::vector<const gemma4::kv_block*>{};
  s.list_blocks(out);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

} // namespace

// ---- finding ------------------------------------------------------------------------------------

bool prefix_cache::is_open_to(const entry& e, std::string_view owner) const {
  return options_.shared || e.owner == owner;
}

std::uint32_t prefix_cache::reach_in(const entry& e, std::span<const std::uint32_t> tokens,
                                     std::uint32_t most) const {
  return e.kept->reach(std::min(common_prefix(tokens, e.kept->tokens()), most));
}

std::uint32_t prefix_cache::reach(std::string_view owner, std::span<const std::uint32_t> tokens,
                                  std::uint32_t most) const {
  auto best = 0u;
  for (const auto& e : entries_)
    if (is_open_to(e, owner))
      best = std::max(best, reach_in(e, tokens, most));
  return best;
}

prefix_cache::found prefix_cache::find(std::string_view owner,
                                       std::span<const std::uint32_t> tokens, std::uint32_t most,
                                       std::uint32_t least) {
  drop_void();
  auto best = entries_.end();
  auto reached = 0u;
  for (auto e = entries_.begin(); e != entries_.end(); ++e)
    if (is_open_to(*e, owner))
      if (const auto r = reach_in(*e, tokens, most); r > reached) {
        best = e;
        reached = r;
      }
  if (best == entries_.end() || reached < least)
    return {};
  ++best->uses;
  entries_.splice(entries_.begin(), entries_, best);
  return {best->kept->fork(reached), {best->id, best->uses}};
}

// What a condemned node had a part in is forgotten, and all behind it.
void prefix_cache::drop_void() {
  if (makers_ == nullptr || makers_->condemnations() == condemnations_)
    return;
  condemnations_ = makers_->condemnations();
  for (auto e = entries_.begin(); e != entries_.end();) {
    const auto here = e++;
    const auto good = here->kept->void_from(*makers_);
    if (good == here->kept->size())
      continue;
    discount(*here->kept);
    const auto kept = here->kept->truncate(good);
    count(*here->kept);
    if (kept == 0)
      erase(here);
  }
}

// ---- keeping ------------------------------------------------------------------------------------

void prefix_cache::insert(std::string_view owner, std::unique_ptr<sequence> s,
                          prefix_parent parent) {
  if (s == nullptr)
    return;
  if (makers_ != nullptr) // drop_void() looks only at what was here when somebody was condemned
    s->truncate(s->void_from(*makers_));
  if (s->size() == 0)
    return;
  s->release_scratch();
  for (auto e = entries_.begin(); e != entries_.end();) {
    const auto here = e++;
    if (here->owner == owner && here->kept->size() <= s->size() &&
        common_prefix(here->kept->tokens(), s->tokens()) == here->kept->size())
      erase(here); // all of its text is in the new one
    else if (here->id == parent.entry && here->uses == parent.uses)
      entries_.splice(entries_.end(), entries_, here);
  }
  count(*s);
  entries_.push_front({next_id_++, 0, std::string{owner}, std::move(s)});
  while (bytes_ > options_.max_bytes && drop_oldest()) {
  }
}

void prefix_cache::forget(std::string_view owners) {
  for (auto e = entries_.begin(); e != entries_.end();) {
    const auto next = std::next(e);
    if (std::string_view{e->owner}.starts_with(owners))
      erase(e);
    e = next;
  }
}

bool prefix_cache::drop_oldest() {
  if (entries_.empty())
    return false;
  erase(std::prev(entries_.end()));
  ++evictions_;
  return true;
}

void prefix_cache::erase(place e) {
  discount(*e->kept);
  entries_.erase(e);
}

void prefix_cache::count(const sequence& s) {
  for (const auto* b : blocks_of(s))
    if (holders_[b]++ == 0)
      bytes_ += b->size_bytes();
}

void prefix_cache::discount(const sequence& s) {
  for (const auto* b : blocks_of(s)) {
    const auto h = holders_.find(b);
    if (--h->second == 0) {
      bytes_ -= b->size_bytes();
      holders_.erase(h);
    }
  }
}

} // namespace larql::generate
