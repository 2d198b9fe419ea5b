#include "actors/session/client_table.hpp"

#include "runtime/base/check.hpp"

namespace larql::actors {

std::uint32_t client_table::enter(const std::string& name) {
  auto others = std::vector<rows_had>{};
  for (auto i = std::size_t{0}; i < had_.size(); ++i)
    if (requests_[i] != 0)
      others.push_back(had_[i]);
  auto [known, is_new] = places_.try_emplace(name, 0);
  if (is_new) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(had_.size()));
      had_.emplace_back();
      requests_.push_back(0);
    }
    known->second = free_.back();
    free_.pop_back();
    had_[known->second] = {};
    ++absent_;
  }
  const auto place = known->second;
  if (requests_[place]++ == 0) {
    --absent_;
    had_[place] = rows_on_arrival(had_[place], others);
  }
  return place;
}

void client_table::leave(std::uint32_t place) {
  LARQL_CHECK(requests_[place] != 0);
  if (--requests_[place] == 0 && ++absent_ > most_absent)
    forget_absent();
}

std::uint32_t client_table::requests_of(const std::string& name) const {
  const auto known = places_.find(name);
  return known == places_.end() ? 0 : requests_[known->second];
}

void client_table::forget_absent() {
  for (auto c = places_.begin(); c != places_.end();) {
    if (requests_[c->second] != 0) {
      ++c;
      continue;
    }
    free_.push_back(c->second);
    c = places_.erase(c);
  }
  absent_ = 0;
}

} // namespace larql::actors
