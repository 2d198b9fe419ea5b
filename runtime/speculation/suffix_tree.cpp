#include "runtime/speculation/suffix_tree.hpp"

namespace larql::speculation {

suffix_tree::suffix_tree() : states_(1), table_(64, none) {}

// ---- edges --------------------------------------------------------------------------------------

// Where an edge is, or where it would go. Half of the table is empty at least.
std::size_t suffix_tree::slot_of(std::uint32_t from, std::uint32_t token) const noexcept {
  auto hash = (std::uint64_t{from} << 32 | token) * 0x9e3779b97f4a7c15u;
  hash ^= hash >> 29;
  const auto mask = table_.size() - 1;
  auto at = static_cast<std::size_t>(hash) & mask;
  while (table_[at] != none &&
         (edges_[table_[at]].from != from || edges_[table_[at]].token != token))
    at = (at + 1) & mask;
  return at;
}

std::uint32_t suffix_tree::find(std::uint32_t from, std::uint32_t token) const noexcept {
  return table_[slot_of(from, token)];
}

void suffix_tree::add(std::uint32_t from, std::uint32_t token, std::uint32_t to) {
  if (2 * (edges_.size() + 1) > table_.size())
    grow();
  const auto number = static_cast<std::uint32_t>(edges_.size());
  table_[slot_of(from, token)] = number;
  edges_.push_back({from, token, to, states_[from].edges});
  states_[from].edges = number;
}

void suffix_tree::grow() {
  table_.assign(2 * table_.size(), none);
  for (auto e = std::uint32_t{0}; e < edges_.size(); ++e)
    table_[slot_of(edges_[e].from, edges_[e].token)] = e;
}

// ---- growing ------------------------------------------------------------------------------------

// The short strings of `to` occur at one more place than its long ones: they become a state of
// their own, which `from` and the states of its suffixes lead to.
std::uint32_t suffix_tree::split(std::uint32_t from, std::uint32_t token, std::uint32_t to) {
  const auto own = static_cast<std::uint32_t>(states_.size());
  states_.push_back({states_[from].length + 1, states_[to].link, none, states_[to].count});
  for (auto e = states_[to].edges; e != none; e = edges_[e].next)
    add(own, edges_[e].token, edges_[e].to);
  states_[to].link = own;
  for (auto s = from; s != none; s = states_[s].link) {
    const auto e = find(s, token);
    if (e == none || edges_[e].to != to)
      break;
    edges_[e].to = own;
  }
  return own;
}

void suffix_tree::append(std::uint32_t token) {
  const auto whole = static_cast<std::uint32_t>(states_.size());
  states_.push_back({states_[last_].length + 1, 0, none, 0});
  auto s = last_;
  for (; s != none && find(s, token) == none; s = states_[s].link)
    add(s, token, whole);
  if (s != none) {
    const auto to = edges_[find(s, token)].to;
    const auto link = states_[to].length == states_[s].length + 1 ? to : split(s, token, to);
    states_[whole].link = link;
  }
  last_ = whole;
  ++size_;
  auto links = std::size_t{0};
  for (auto at = whole; at != 0 && links < max_links; at = states_[at].link, ++links)
    ++states_[at].count;
}

// ---- matches ------------------------------------------------------------------------------------

suffix_tree::match suffix_tree::repeated_suffix() const noexcept {
  if (last_ == 0)
    return {};
  const auto at = states_[last_].link;
  return {at, states_[at].length};
}

suffix_tree::match suffix_tree::find_suffix(std::span<const std::uint32_t> text) const noexcept {
  auto out = match{};
  for (const auto token : text) {
    auto e = find(out.state, token);
    while (e == none && out.state != 0) {
      out.state = states_[out.state].link;
      out.length = states_[out.state].length;
      e = find(out.state, token);
    }
    if (e != none)
      out = {edges_[e].to, out.length + 1};
  }
  return out;
}

} // namespace larql::speculation
