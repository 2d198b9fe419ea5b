// Who computed what, and whose numbers turned out to be wrong. A maker is one run of a node, told
// apart by its incarnation; what it made since the last time its answers were found right is void
// once it is condemned.
//
// Numbers that several makers have a part in carry a set of them: 64 bits, one for each of the
// first 63 makers of this process; the last bit stands for all others together. They also carry how
// many makers were condemned when the work began: these had no part in it, even if they share the
// last bit with one that had.
//
// Threads   Any.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace larql::experts {

using maker_set = std::uint64_t;

/// Who had a part in numbers.
struct provenance {
  maker_set makers = 0;
  std::uint64_t condemned = 0; ///< condemnations() when the work began
};

class maker_ledger {
public:
  using time = std::chrono::steady_clock::time_point;

  /// The set of one maker, which gets a bit of its own if it is new and there is one left.
  [[nodiscard]] maker_set set_of(std::uint64_t incarnation) const;
  /// The makers that a set may stand for: with the last bit, all of those that share it.
  [[nodiscard]] std::vector<std::uint64_t> incarnations_of(maker_set of) const;

  /// Answers to calls that were sent at `sent` were right.
  void found_right(std::uint64_t incarnation, time sent);

  /// False if it was condemned before.
  bool condemn(std::uint64_t incarnation, std::string why);
  [[nodiscard]] bool is_condemned(std::uint64_t incarnation) const;
  /// Why, and since when its work is void; or an empty text.
  [[nodiscard]] std::string why(std::uint64_t incarnation) const;
  /// When it was last found right; the clock's beginning for never.
  [[nodiscard]] time right_until(std::uint64_t incarnation) const;

  /// How often a maker was condemned: grows, and is cheap to look at.
  [[nodiscard]] std::uint64_t condemnations() const noexcept {
    return condemnations_.load(std::memory_order_acquire);
  }
  /// Whether numbers that were finished at `when` are void.
  [[nodiscard]] bool is_void(const provenance& of, time when) const;

private:
  struct maker {
    std::uint64_t incarnation = 0;
    time right_until{};
    std::uint64_t condemned = 0; // as the first, second, …; 0: it is not
    std::string why;
  };
  [[nodiscard]] std::size_t place_of(std::uint64_t incarnation) const;
  [[nodiscard]] const maker* find(std::uint64_t incarnation) const;

  mutable std::mutex mutex_;
  mutable std::vector<maker> makers_; // numbered as they are first named
  std::atomic<std::uint64_t> condemnations_{0};
  std::atomic<maker_set> condemned_{0}; // bits of condemned makers, written under the mutex
};

} // namespace larql::experts
