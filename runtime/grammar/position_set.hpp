// Positions of a network that were met in one step of a machine, to be met once.
//
// Cost      insert: a few nanoseconds, however many there are. clear: nothing.
// Memory    Of one allocation, `slots` positions, kept.
// Threads   One at a time.

#pragma once

#include "runtime/grammar/place.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace larql::grammar {

class position_set {
public:
  /// Of at most half as many positions as there are slots, a power of two.
  explicit position_set(std::size_t slots) : slots_(slots) {}

  void clear() noexcept { ++round_; }
  /// Whether it was not there. @pre fewer than half of the slots are taken
  bool insert(const place::position& p) noexcept {
    const auto mask = slots_.size() - 1;
    const auto product = (std::uint64_t{p.node} << 32 | p.stack) * 0x9e3779b97f4a7c15u;
    for (auto i = static_cast<std::size_t>(product >> 40);; ++i) {
      auto& s = slots_[i & mask];
      if (s.round != round_) {
        s = {p, round_};
        return true;
      }
      if (s.what == p)
        return false;
    }
  }

private:
  struct slot {
    place::position what;
    std::uint64_t round = 0; ///< the round in which it was taken
  };

  std::vector<slot> slots_;
  std::uint64_t round_ = 1;
};

} // namespace larql::grammar
