#include "runtime/generate/draft_tree.hpp"

#include "runtime/base/check.hpp"

namespace larql::generate {

draft_tree draft_tree::chain(std::span<const std::uint32_t> tokens) {
  auto out = draft_tree{};
  for (const auto token : tokens)
    out.add(token, static_cast<std::int32_t>(out.size()) - 1, 1);
  return out;
}

std::int32_t draft_tree::add(std::uint32_t token, std::int32_t parent, float chance) {
  const auto number = static_cast<std::int32_t>(size());
  LARQL_CHECK(parent >= -1 && parent < number);
  tokens.push_back(token);
  parents.push_back(parent);
  chances.push_back(chance);
  return number;
}

std::int32_t draft_tree::child(std::int32_t parent, std::uint32_t token) const noexcept {
  for (auto i = static_cast<std::size_t>(parent + 1); i < size(); ++i)
    if (parents[i] == parent && tokens[i] == token)
      return static_cast<std::int32_t>(i);
  return -1;
}

std::uint32_t draft_tree::depth(std::size_t draft) const noexcept {
  auto out = 1u;
  for (auto p = parents[draft]; p >= 0; p = parents[static_cast<std::size_t>(p)])
    ++out;
  return out;
}

void draft_tree::keep_only(const std::vector<bool>& keep) {
  auto out = draft_tree{};
  auto numbers = std::vector<std::int32_t>(size(), -1);
  for (auto i = std::size_t{0}; i < size(); ++i) {
    const auto parent = parents[i] < 0 ? -1 : numbers[static_cast<std::size_t>(parents[i])];
    if (keep[i] && (parents[i] < 0 || parent >= 0))
      numbers[i] = out.add(tokens[i], parent, chances[i]);
  }
  *this = std::move(out);
}

} // namespace larql::generate
