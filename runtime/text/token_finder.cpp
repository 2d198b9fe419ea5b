#include "runtime/text/token_finder.hpp"

#include "runtime/text/utf8.hpp"

namespace larql::text {

namespace {

failure crowded() {
  return fail(errc::corrupt, "too many spellings have nearly the same hash");
}

} // namespace

result<void> token_finder::add(std::string_view spelling, std::uint32_t number) {
  if (spelling.empty() || spelling.size() > max_spelling_bytes)
    return fail(errc::corrupt, "{} has {} bytes, expected 1 to {}", in_quotes(spelling),
                spelling.size(), max_spelling_bytes);
  auto at = node{0};
  for (const auto byte : spelling) {
    if (const auto* known = edges_.find(edge(at, byte))) {
      at = *known;
      continue;
    }
    if (edges_.insert(edge(at, byte), ++last_node_) != flat_map<node>::insertion::done)
      return crowded();
    at = last_node_;
  }
  switch (numbers_.insert(at, number)) {
  case flat_map<std::uint32_t>::insertion::done: break;
  case flat_map<std::uint32_t>::insertion::present:
    return fail(errc::corrupt, "{} is listed twice", in_quotes(spelling));
  case flat_map<std::uint32_t>::insertion::crowded: return crowded();
  }
  starts_[static_cast<unsigned char>(spelling.front())] = true;
  return {};
}

std::optional<token_finder::match> token_finder::next(std::string_view text,
                                                      std::size_t from) const noexcept {
  for (auto begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<unsigned char>(text[begin])])
      continue;
    auto longest = std::optional<match>{};
    auto at = node{0};
    for (auto end = begin; end < text.size();) {
      const auto* next = edges_.find(edge(at, text[end]));
      if (next == nullptr)
        break;
      at = *next;
      ++end;
      if (const auto* number = numbers_.find(at))
        longest = match{begin, end, *number};
    }
    if (longest)
      return longest;
  }
  return std::nullopt;
}

} // namespace larql::text
