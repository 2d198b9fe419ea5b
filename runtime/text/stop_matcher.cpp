#include "runtime/text/stop_matcher.hpp"

#include <algorithm>
#include <utility>

namespace larql::text {

stop_matcher::stop_matcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, std::string{});
}

// Length of the longest end of the text that a stop text begins with.
std::size_t stop_matcher::held_back() const noexcept {
  auto longest = std::size_t{0};
  for (const auto& stop : stops_)
    for (auto n = std::min(stop.size() - 1, held_.size()); n > longest; --n)
      if (held_.ends_with(std::string_view{stop}.substr(0, n)))
        longest = n;
  return longest;
}

std::string stop_matcher::append(std::string_view text) {
  if (found_)
    return {};
  if (stops_.empty())
    return std::string{text};
  held_ += text;
  auto first = std::string::npos;
  for (auto i = std::size_t{0}; i < stops_.size(); ++i)
    if (const auto at = held_.find(stops_[i]); at < first) {
      first = at;
      found_ = i;
    }
  auto out = held_.substr(0, found_ ? first : held_.size() - held_back());
  held_.erase(0, found_ ? held_.size() : out.size());
  return out;
}

std::string stop_matcher::flush() {
  return std::exchange(held_, {});
}

} // namespace larql::text
