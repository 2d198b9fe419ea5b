#include "runtime/vindex/mapped_parts.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace larql::vindex {

result<mapped_parts> mapped_parts::map(std::span<const wanted_part> parts, access_pattern pattern,
                                       page_kind pages) {
  auto order = std::vector<std::size_t>(parts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto &l = parts[a].part, &r = parts[b].part;
    if (l.in != r.in)
      return std::less<const file*>{}(l.in.get(), r.in.get());
    return l.offset < r.offset;
  });
  auto out = mapped_parts{};
  out.places_.resize(parts.size());
  for (auto first = order.begin(); first != order.end();) {
    const auto& [part, lead] = parts[*first];
    auto end = part.offset + part.bytes;
    auto next = first + 1;
    for (; next != order.end(); ++next) {
      const auto& other = parts[*next].part;
      if (other.in != part.in || other.offset > end)
        break;
      end = std::max(end, other.offset + other.bytes);
    }
    const auto begin = part.offset - std::min(lead, part.offset);
    LARQL_TRY(auto map, part.in->map(begin, end - begin, pattern, pages));
    for (auto p = first; p != next; ++p) {
      const auto& wanted = parts[*p].part;
      out.places_[*p] = {map.bytes().data() + (wanted.offset - begin),
                         static_cast<std::size_t>(wanted.bytes), out.runs_.size()};
    }
    const auto bytes = map.bytes().subspan(static_cast<std::size_t>(part.offset - begin));
    out.runs_.push_back({part.in->path(), std::move(map), bytes});
    first = next;
  }
  return out;
}

} // namespace larql::vindex
