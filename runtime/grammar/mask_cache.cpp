#include "runtime/grammar/mask_cache.hpp"

#include <utility>

namespace larql::grammar {

std::size_t mask_cache::bytes_of(const entry& e) noexcept {
  constexpr std::size_t nodes = 128; // of list and table
  return e.key.size() + e.mask->size_bytes() + nodes;
}

mask_ptr mask_cache::find(std::string_view key) {
  const auto lock = std::lock_guard{mutex_};
  const auto it = by_key_.find(key);
  if (it == by_key_.end())
    return nullptr;
  entries_.splice(entries_.begin(), entries_, it->second);
  return it->second->mask;
}

void mask_cache::put(std::string key, mask_ptr mask) {
  const auto lock = std::lock_guard{mutex_};
  if (by_key_.contains(key))
    return;
  entries_.push_front({std::move(key), std::move(mask)});
  by_key_.emplace(entries_.front().key, entries_.begin());
  bytes_ += bytes_of(entries_.front());
  while (bytes_ > max_bytes_ && !entries_.empty()) {
    bytes_ -= bytes_of(entries_.back());
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

std::size_t mask_cache::bytes() const {
  const auto lock = std::lock_guard{mutex_};
  return bytes_;
}

} // namespace larql::grammar
