#include "runtime/grammar/network.hpp"

#include <algorithm>
#include <utility>

namespace larql::grammar {

namespace {

std::uint32_t one_more(std::uint32_t need) {
  return need == unbounded ? unbounded : need + 1;
}

} // namespace

network_builder::network_builder() {
  nodes_.emplace_back();
  nodes_[0].node.what = network::kind::end;
}

node_id network_builder::add(network::kind what, node_id callee, node_id next) {
  if (full())
    return end();
  auto& d = nodes_.emplace_back();
  d.node.what = what;
  d.node.callee = callee;
  d.node.next = next;
  return static_cast<node_id>(nodes_.size() - 1);
}

node_id network_builder::step() {
  return add(network::kind::step, 0, 0);
}

void network_builder::edge(node_id from, symbol first, symbol last, node_id to) {
  if (!full())
    nodes_[from].edges.push_back({first, last, to});
}

void network_builder::free(node_id from, node_id to) {
  if (!full())
    nodes_[from].frees.push_back(to);
}

void network_builder::mark_text(node_id node, text_kind text, bool counted) {
  nodes_[node].node.text = text;
  nodes_[node].node.counted_text = counted;
}

node_id network_builder::bytes(std::string_view text, node_id next) {
  auto wanted = std::vector<symbol>{};
  for (const auto c : text)
    wanted.push_back(static_cast<unsigned char>(c));
  return symbols(wanted, next);
}

node_id network_builder::symbols(std::span<const symbol> text, node_id next) {
  for (auto i = text.size(); i-- > 0;) {
    const auto node = step();
    edge(node, text[i], text[i], next);
    next = node;
  }
  return next;
}

node_id network_builder::any_sequence(std::vector<branch> branches) {
  std::stable_sort(branches.begin(), branches.end(),
                   [](const branch& a, const branch& b) { return a.symbols < b.symbols; });
  const auto root = step();
  auto path = std::vector<node_id>{root}; // of the one before
  const std::vector<symbol>* before = nullptr;
  for (const auto& [s, next] : branches) {
    auto common = std::size_t{0};
    if (before != nullptr)
      common = static_cast<std::size_t>(
          std::mismatch(s.begin(), s.end(), before->begin(), before->end()).first - s.begin());
    path.resize(common + 1);
    for (auto i = common; i < s.size(); ++i) {
      path.push_back(step());
      edge(path[i], s[i], s[i], path[i + 1]);
    }
    free(path.back(), next);
    before = &s;
  }
  return root;
}

node_id network_builder::any_sequence(std::vector<std::vector<symbol>> sequences, node_id next) {
  auto branches = std::vector<branch>{};
  for (auto& s : sequences)
    branches.push_back({std::move(s), next});
  return any_sequence(std::move(branches));
}

node_id network_builder::any_of(std::span<const node_id> starts) {
  const auto node = step();
  for (const auto start : starts)
    free(node, start);
  return node;
}

node_id network_builder::optional(node_id start, node_id next) {
  const node_id both[] = {start, next};
  return any_of(both);
}

node_id network_builder::call(node_id callee, node_id next) {
  return add(network::kind::call, callee, next);
}

node_id network_builder::repeat(node_id callee, std::uint32_t min, std::uint32_t max,
                                node_id next) {
  const auto node = add(network::kind::repeat, callee, next);
  if (!full()) {
    nodes_[node].node.min = min;
    nodes_[node].node.max = max;
  }
  return node;
}

std::uint32_t network_builder::need_of(const draft& d) const {
  const auto of = [&](node_id n) { return nodes_[n].node.need; };
  const auto& n = d.node;
  auto best = unbounded;
  switch (n.what) {
  case network::kind::end: return 0;
  case network::kind::call: return std::max(one_more(of(n.callee)), of(n.next));
  case network::kind::repeat:
    return n.min == 0 ? of(n.next) : std::max(one_more(of(n.callee)), of(n.next));
  case network::kind::step:
    for (const auto& e : d.edges)
      best = std::min(best, of(e.to));
    for (const auto to : d.frees)
      best = std::min(best, of(to));
    return best;
  }
  return best;
}

// What comes next was mostly built before, or right behind: few rounds in both directions are
// enough.
void network_builder::find_needs() {
  auto changed = true;
  const auto look = [&](draft& d) {
    if (const auto need = need_of(d); need < d.node.need) {
      d.node.need = need;
      changed = true;
    }
  };
  while (changed) {
    changed = false;
    std::for_each(nodes_.begin(), nodes_.end(), look);
    std::for_each(nodes_.rbegin(), nodes_.rend(), look);
  }
}

result<network> network_builder::finish(node_id start) {
  if (full())
    return fail(errc::unsupported, "the schema needs more than {} states", max_nodes);
  find_needs();
  if (nodes_[start].node.need == unbounded)
    return fail(errc::usage, "no value can meet the schema");
  auto out = network{};
  out.start = start;
  out.nodes.reserve(nodes_.size());
  for (auto& d : nodes_) {
    d.node.first_edge = static_cast<std::uint32_t>(out.edges.size());
    d.node.first_free = static_cast<std::uint32_t>(out.free_moves.size());
    std::stable_sort(
        d.edges.begin(), d.edges.end(),
        [](const network::edge& a, const network::edge& b) { return a.first < b.first; });
    // Where there is no way to the end, nothing leads to.
    for (const auto& e : d.edges)
      if (nodes_[e.to].node.need != unbounded)
        out.edges.push_back(e);
    for (const auto to : d.frees)
      if (nodes_[to].node.need != unbounded)
        out.free_moves.push_back(to);
    d.node.edges = static_cast<std::uint32_t>(out.edges.size()) - d.node.first_edge;
    d.node.frees = static_cast<std::uint32_t>(out.free_moves.size()) - d.node.first_free;
    out.nodes.push_back(d.node);
  }
  return out;
}

} // namespace larql::grammar
