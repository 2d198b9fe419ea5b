#include "runtime/base/interval_set.hpp"

#include <algorithm>

namespace larql {

void interval_set::add(interval i) {
  if (i.begin >= i.end)
    return;
  // The first that touches or overlaps, and the first behind those.
  const auto first = std::lower_bound(intervals_.begin(), intervals_.end(), i.begin,
                                      [](interval a, std::uint64_t at) { return a.end < at; });
  const auto last = std::upper_bound(first, intervals_.end(), i.end,
                                     [](std::uint64_t at, interval a) { return at < a.begin; });
  if (first != last) {
    i.begin = std::min(i.begin, first->begin);
    i.end = std::max(i.end, std::prev(last)->end);
  }
  intervals_.insert(intervals_.erase(first, last), i);
}

void interval_set::add(const interval_set& other) {
  for (const auto i : other.intervals_)
    add(i);
}

void interval_set::remove(interval i) {
  if (i.begin >= i.end)
    return;
  auto out = std::vector<interval>{};
  out.reserve(intervals_.size() + 1);
  for (const auto a : intervals_) {
    if (a.begin < i.begin)
      out.push_back({a.begin, std::min(a.end, i.begin)});
    if (a.end > i.end)
      out.push_back({std::max(a.begin, i.end), a.end});
  }
  intervals_ = std::move(out);
}

std::uint64_t interval_set::bytes() const noexcept {
  auto sum = std::uint64_t{0};
  for (const auto i : intervals_)
    sum += i.bytes();
  return sum;
}

bool interval_set::contains(const interval_set& other) const {
  return other.without(*this).empty();
}

interval_set interval_set::without(const interval_set& other) const {
  auto out = *this;
  for (const auto i : other.intervals_)
    out.remove(i);
  return out;
}

} // namespace larql
