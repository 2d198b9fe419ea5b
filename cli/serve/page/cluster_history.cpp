#include "cli/serve/page/cluster_history.hpp"

#include <algorithm>
#include <utility>

namespace larql::serve {

namespace {

constexpr auto most_events = std::size_t{50};
// How long a node that nobody expects is shown as lost, and how many of them.
constexpr auto remembered = std::chrono::minutes{10};
constexpr auto most_known = std::size_t{256};

constexpr auto gone_text = "it has gone";

bool is_serving(const picture_node& n) {
  return n.state == "serving";
}

// A call that is overdue is no event: the next answer comes, or the node is lost.
bool is_connected(const picture_node& n) {
  return is_serving(n) || n.state == "suspect";
}

bool is_away(const picture_node& n) {
  return n.state == "lost" || n.state == "refused";
}

const std::string& key_of(const picture_node& n) {
  return n.name.empty() ? n.address : n.name;
}

std::optional<experts::index_range> common(experts::index_range a, experts::index_range b) {
  const auto out = experts::index_range{std::max(a.first, b.first), std::min(a.last, b.last)};
  if (out.first > out.last)
    return std::nullopt;
  return out;
}

std::optional<experts::ownership> common(const experts::ownership& a, const experts::ownership& b) {
  const auto layers = common(a.layers, b.layers);
  const auto experts = common(a.experts, b.experts);
  if (!layers || !experts)
    return std::nullopt;
  return experts::ownership{*layers, *experts};
}

std::uint64_t count_uncovered(const experts::ownership& owned, const std::vector<takeover>& by) {
  auto out = std::uint64_t{0};
  for (auto l = owned.layers.first; l <= owned.layers.last; ++l)
    for (auto e = owned.experts.first; e <= owned.experts.last; ++e)
      if (std::none_of(by.begin(), by.end(),
                       [&](const takeover& t) { return t.part.contains(l, e); }))
        ++out;
  return out;
}

} // namespace

void cluster_history::add(cluster_event event, const picture_node& node, time now) {
  event.number = next_number_++;
  event.at = now;
  event.node = key_of(node);
  event.owned = node.owned;
  if (events_.size() == most_events)
    events_.erase(events_.begin());
  events_.push_back(std::move(event));
}

// @pre nodes_ are those of now
void cluster_history::add_lost(const picture_node& node, std::string why, time now) {
  auto event = cluster_event{};
  event.what = cluster_event::kind::lost;
  event.why = std::move(why);
  for (const auto& other : nodes_)
    if (is_serving(other) && key_of(other) != key_of(node))
      if (const auto part = common(other.owned, node.owned))
        event.took_over.push_back({key_of(other), *part});
  event.without_owner = count_uncovered(node.owned, event.took_over);
  add(std::move(event), node, now);
}

void cluster_history::compare(const picture_node* before, const picture_node& node, time now) {
  const auto was_there = before != nullptr && !is_away(*before);
  if (is_away(node)) {
    if (was_there)
      add_lost({node.name, node.address, node.state, node.why, before->owned}, node.why, now);
    return;
  }
  auto event = cluster_event{};
  if (!was_there) {
    event.what = cluster_event::kind::joined;
    add(std::move(event), node, now);
  } else if (before->state != node.state && !(is_connected(*before) && is_connected(node))) {
    event.why = node.state;
    add(std::move(event), node, now);
  }
}

void cluster_history::look(std::vector<picture_node> nodes, time now) {
  nodes_ = std::move(nodes);
  auto here = std::map<std::string, const picture_node*>{};
  for (const auto& n : nodes_)
    here.emplace(key_of(n), &n);
  if (std::exchange(has_looked_, true)) {
    for (const auto& n : nodes_) {
      const auto before = known_.find(key_of(n));
      compare(before == known_.end() ? nullptr : &before->second.node, n, now);
    }
    for (const auto& [key, k] : known_)
      if (!here.contains(key) && !is_away(k.node) && !k.has_gone)
        add_lost(k.node, gone_text, now);
  }
  auto gone = std::vector<picture_node>{};
  for (auto it = known_.begin(); it != known_.end();) {
    auto& [key, k] = *it;
    if (here.contains(key)) {
      ++it;
      continue;
    }
    // What was only expected is forgotten at once: it may have come under another name.
    const auto was_expected = is_away(k.node) && !k.has_gone;
    if (was_expected || now - k.seen > remembered || known_.size() > most_known) {
      it = known_.erase(it);
      continue;
    }
    if (!std::exchange(k.has_gone, true)) {
      k.node.state = "lost";
      k.node.why = gone_text;
      k.node.numbers.reset();
    }
    gone.push_back(k.node);
    ++it;
  }
  for (const auto& n : nodes_)
    known_.insert_or_assign(key_of(n), known_node{n, now});
  nodes_.insert(nodes_.end(), gone.begin(), gone.end());
  std::stable_sort(nodes_.begin(), nodes_.end(), [](const picture_node& a, const picture_node& b) {
    return key_of(a) < key_of(b);
  });
}

} // namespace larql::serve
