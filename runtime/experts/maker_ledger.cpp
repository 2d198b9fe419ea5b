#include "runtime/experts/maker_ledger.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace larql::experts {

namespace {

constexpr maker_set bit_of(std::size_t place) {
  return maker_set{1} << std::min<std::size_t>(place, 63);
}

std::string void_since(maker_ledger::time right_until) {
  if (right_until == maker_ledger::time{})
    return "; all that it computed is void";
  const auto seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - right_until).count();
  return fmt::format("; what it computed in the last {:.0f} s, since its last good check, is void",
                     seconds);
}

} // namespace

std::size_t maker_ledger::place_of(std::uint64_t incarnation) const {
  const auto it = std::find_if(makers_.begin(), makers_.end(),
                               [&](const maker& m) { return m.incarnation == incarnation; });
  if (it != makers_.end())
    return static_cast<std::size_t>(it - makers_.begin());
  makers_.push_back({incarnation, {}, 0, {}});
  return makers_.size() - 1;
}

const maker_ledger::maker* maker_ledger::find(std::uint64_t incarnation) const {
  const auto it = std::find_if(makers_.begin(), makers_.end(),
                               [&](const maker& m) { return m.incarnation == incarnation; });
  return it == makers_.end() ? nullptr : &*it;
}

maker_set maker_ledger::set_of(std::uint64_t incarnation) const {
  const auto lock = std::scoped_lock{mutex_};
  return bit_of(place_of(incarnation));
}

std::vector<std::uint64_t> maker_ledger::incarnations_of(maker_set of) const {
  const auto lock = std::scoped_lock{mutex_};
  auto out = std::vector<std::uint64_t>{};
  for (auto i = std::size_t{0}; i < makers_.size(); ++i)
    if ((of & bit_of(i)) != 0)
      out.push_back(makers_[i].incarnation);
  return out;
}

void maker_ledger::found_right(std::uint64_t incarnation, time sent) {
  const auto lock = std::scoped_lock{mutex_};
  auto& m = makers_[place_of(incarnation)];
  if (m.condemned == 0)
    m.right_until = std::max(m.right_until, sent);
}

bool maker_ledger::condemn(std::uint64_t incarnation, std::string why) {
  const auto lock = std::scoped_lock{mutex_};
  const auto place = place_of(incarnation);
  auto& m = makers_[place];
  if (m.condemned != 0)
    return false;
  m.condemned = condemnations_.load(std::memory_order_relaxed) + 1;
  m.why = std::move(why) + void_since(m.right_until);
  condemned_.fetch_or(bit_of(place), std::memory_order_relaxed);
  condemnations_.store(m.condemned, std::memory_order_release);
  return true;
}

bool maker_ledger::is_condemned(std::uint64_t incarnation) const {
  if (condemnations() == 0)
    return false;
  const auto lock = std::scoped_lock{mutex_};
  const auto* m = find(incarnation);
  return m != nullptr && m->condemned != 0;
}

std::string maker_ledger::why(std::uint64_t incarnation) const {
  const auto lock = std::scoped_lock{mutex_};
  const auto* m = find(incarnation);
  return m == nullptr ? std::string{} : m->why;
}

maker_ledger::time maker_ledger::right_until(std::uint64_t incarnation) const {
  const auto lock = std::scoped_lock{mutex_};
  const auto* m = find(incarnation);
  return m == nullptr ? time{} : m->right_until;
}

bool maker_ledger::is_void(const provenance& of, time when) const {
  if (condemnations() == of.condemned ||
      (of.makers & condemned_.load(std::memory_order_relaxed)) == 0)
    return false;
  const auto lock = std::scoped_lock{mutex_};
  for (auto i = std::size_t{0}; i < makers_.size(); ++i)
    if (makers_[i].condemned > of.condemned && (of.makers & bit_of(i)) != 0 &&
        when >= makers_[i].right_until)
      return true;
  return false;
}

} // namespace larql::experts
