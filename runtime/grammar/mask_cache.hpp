// Masks that were computed, by what they are of: the least recently used go when there are too many
// bytes.
//
// Threads   Any number of threads.

#pragma once

#include "runtime/grammar/token_mask.hpp"

#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace larql::grammar {

class mask_cache {
public:
  explicit mask_cache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// Null if it is not there.
  [[nodiscard]] mask_ptr find(std::string_view key);
  void put(std::string key, mask_ptr mask);

  [[nodiscard]] std::size_t bytes() const;

private:
  struct entry {
    std::string key;
    mask_ptr mask;
  };

  [[nodiscard]] static std::size_t bytes_of(const entry& e) noexcept;

  const std::size_t max_bytes_;
  mutable std::mutex mutex_;
  std::list<entry> entries_; // the most recently used first
  std::unordered_map<std::string_view, std::list<entry>::iterator> by_key_;
  std::size_t bytes_ = 0;
};

} // namespace larql::grammar
