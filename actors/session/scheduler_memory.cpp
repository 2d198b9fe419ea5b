// scheduler: memory for keys and values.

#include "actors/session/scheduler.hpp"

#include "runtime/models/gemma4/kv_size.hpp"

#include <algorithm>

namespace larql::actors {

// What a sequence takes more when it grows from `have` tokens to `tokens`.
std::uint64_t scheduler::kv_needed(std::uint64_t tokens, std::uint64_t have) const {
  const auto bytes = [&](std::uint64_t n) {
    return gemma4::kv_bytes(model_.config, options_.kv, n, options_.chunk);
  };
  return bytes(std::max(tokens, have)) - bytes(have);
}

// What those that run have and will take for what they were asked to read. Cached sequences make
// room for them, so they do not count.
std::uint64_t scheduler::kv_committed() const {
  auto sum = pool_->used_bytes();
  sum -= std::min(sum, cache_.bytes());
  for (const auto& a : running_)
    if (!a->ended && a->sequence != nullptr)
      sum += kv_needed(a->tokens.size() + gemma4::kv_block_positions, a->sequence->size());
  return sum;
}

bool scheduler::make_room(std::span<const member> keep) {
  if (cache_.drop_oldest())
    return true;
  for (auto& [id, s] : sessions_)
    if (s.sequence != nullptr) {
      s.sequence.reset();
      return true;
    }
  // Who came first goes on, so that somebody always does.
  auto oldest = ~std::uint64_t{0};
  for (const auto& m : keep)
    oldest = std::min(oldest, m.answer->order);
  live_answer* last = nullptr;
  for (const auto& a : running_) {
    const auto is_kept =
        std::any_of(keep.begin(), keep.end(), [&](const member& m) { return m.answer == a.get(); });
    if (!a->ended && !is_kept && a->passes == 0 && a->sequence != nullptr &&
        a->sequence->size() != 0 && a->order > oldest &&
        (last == nullptr || a->order > last->order))
      last = a.get();
  }
  if (last == nullptr)
    return false;
  last->sequence.reset();
  last->reading = true;
  ++counts_.preempted;
  return true;
}

// An answer that made room goes on once there is room again, or nobody else is left.
bool scheduler::revive(live_answer& a) {
  const auto limit = options_.limits.kv_bytes;
  const auto others = std::any_of(running_.begin(), running_.end(), [&](const auto& o) {
    return o.get() != &a && !o->ended && o->sequence != nullptr;
  });
  const auto needed = kv_needed(a.tokens.size() + gemma4::kv_block_positions, 0);
  if (limit != 0 && others && kv_committed() + needed > limit)
    return false;
  if (auto ok = find_start(a); !ok) {
    end(a, ok.error());
    return false;
  }
  return true;
}

} // namespace larql::actors
