// Bytes of a file as intervals: which are wanted, which are here, which are missing.
//
// Owner     Plain values.

#pragma once

#include <cstdint>
#include <vector>

namespace larql {

/// Bytes [begin, end).
struct interval {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] std::uint64_t bytes() const noexcept { return end - begin; }
  friend bool operator==(interval, interval) = default;
};

/// A set of bytes, kept as sorted intervals that neither overlap nor touch.
class interval_set {
public:
  interval_set() = default;
  explicit interval_set(interval i) { add(i); }

  void add(interval i);
  void add(const interval_set& other);
  void remove(interval i);

  [[nodiscard]] const std::vector<interval>& intervals() const& noexcept { return intervals_; }
  void intervals() && = delete; // a loop over it would outlive the set
  [[nodiscard]] bool empty() const noexcept { return intervals_.empty(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept;
  [[nodiscard]] bool contains(const interval_set& other) const;
  /// What is in this set and not in `other`.
  [[nodiscard]] interval_set without(const interval_set& other) const;

  friend bool operator==(const interval_set&, const interval_set&) = default;

private:
  std::vector<interval> intervals_;
};

} // namespace larql
