#include "runtime/grammar/machine.hpp"

#include <algorithm>
#include <utility>

namespace larql::grammar {

namespace {

std::size_t mix(std::size_t hash, std::uint64_t value) {
  auto z = hash ^ (value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2));
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  return z ^ (z >> 27);
}

std::size_t hash_of(std::span<const place::position> positions) {
  auto hash = positions.size();
  for (const auto& p : positions)
    hash = mix(hash, std::uint64_t{p.node} << 32 | p.stack);
  return hash;
}

} // namespace

std::size_t machine::frame_hash::operator()(const place::frame& f) const noexcept {
  return mix(mix(f.count, f.node), f.below);
}

machine::machine(std::shared_ptr<const network> net) : net_(std::move(net)) {
  reset();
}

void machine::reset() {
  frames_.clear();
  frame_ids_.clear();
  states_.clear();
  state_ids_.clear();
  rows_.clear();
  (void) remember({}); // dead
}

place machine::start() const {
  return {{}, {{net_->start, place::no_stack}}};
}

std::uint32_t machine::push(const place::frame& f) {
  const auto [it, is_new] = frame_ids_.try_emplace(f, static_cast<std::uint32_t>(frames_.size()));
  if (is_new)
    frames_.push_back({f, depth(f.below) + 1});
  return it->second;
}

machine::state machine::enter(const place& from) {
  auto ids = std::vector<std::uint32_t>{};
  ids.reserve(from.frames.size());
  const auto id_of = [&](std::uint32_t stack) {
    return stack == place::no_stack ? stack : ids[stack];
  };
  for (const auto& f : from.frames)
    ids.push_back(push({id_of(f.below), f.node, f.count}));
  auto positions = std::vector<place::position>{};
  positions.reserve(from.positions.size());
  for (const auto& p : from.positions) {
    const auto q = place::position{p.node, id_of(p.stack)};
    if (std::find(positions.begin(), positions.end(), q) == positions.end())
      positions.push_back(q);
  }
  return remember(std::move(positions));
}

place machine::leave(state s) const {
  auto out = place{};
  auto numbers = std::unordered_map<std::uint32_t, std::uint32_t>{}; // of frames, in `out`
  auto chain = std::vector<std::uint32_t>{};
  for (const auto& p : states_[s].positions) {
    chain.clear();
    auto stack = p.stack;
    for (; stack != place::no_stack && !numbers.contains(stack); stack = frames_[stack].frame.below)
      chain.push_back(stack);
    for (; !chain.empty(); chain.pop_back()) {
      auto f = frames_[chain.back()].frame;
      if (f.below != place::no_stack)
        f.below = numbers.at(f.below);
      numbers.emplace(chain.back(), static_cast<std::uint32_t>(out.frames.size()));
      out.frames.push_back(f);
    }
    out.positions.push_back(
        {p.node, p.stack == place::no_stack ? place::no_stack : numbers.at(p.stack)});
  }
  return out;
}

machine::state machine::remember(std::vector<place::position> positions) {
  const auto hash = hash_of(positions);
  const auto [first, last] = state_ids_.equal_range(hash);
  for (auto it = first; it != last; ++it)
    if (states_[it->second].positions == positions)
      return it->second;
  const auto id = static_cast<state>(states_.size());
  auto s = known_state{};
  s.positions = std::move(positions);
  open_up(s);
  // A state from which nothing can come and that is not complete is dead.
  if (id != dead && s.open.empty() && !s.accepts)
    return dead;
  states_.push_back(std::move(s));
  state_ids_.emplace(hash, id);
  rows_.resize(rows_.size() + symbol_count, id == dead ? dead : unknown);
  return id;
}

// ---- free moves ---------------------------------------------------------------------------------

void machine::open_up(known_state& s) {
  waiting_.assign(s.positions.rbegin(), s.positions.rend());
  seen_.clear();
  for (auto visits = std::size_t{0}; !waiting_.empty() && visits < max_visits;) {
    const auto p = waiting_.back();
    waiting_.pop_back();
    work_ += visit_work;
    const auto& n = net_->nodes[p.node];
    if (depth(p.stack) + n.need > max_depth || n.need == unbounded || !seen_.insert(p))
      continue;
    ++visits;
    switch (n.what) {
    case network::kind::step: {
      if (n.edges > 0 && s.open.size() < max_nodes)
        s.open.push_back(p);
      const auto moves = net_->free_moves_of(n);
      work_ += moves.size();
      for (auto i = moves.size(); i-- > 0;)
        waiting_.push_back({moves[i], p.stack});
      break;
    }
    case network::kind::call: waiting_.push_back({n.callee, push({p.stack, n.next, 0})}); break;
    case network::kind::repeat: visit_repeat(p.node, 0, p.stack); break;
    case network::kind::end:
      if (p.stack == place::no_stack) {
        s.accepts = true;
      } else {
        const auto f = frames_[p.stack].frame;
        if (f.count == 0)
          waiting_.push_back({f.node, f.below});
        else
          visit_repeat(f.node, f.count, f.below);
      }
      break;
    }
  }
}

// `count` runs of a repeat are complete.
void machine::visit_repeat(node_id node, std::uint32_t count, std::uint32_t stack) {
  const auto& n = net_->nodes[node];
  if (n.max == unbounded)
    count = std::min(count, n.min);
  if (count >= n.min)
    waiting_.push_back({n.next, stack});
  if (count < n.max && net_->nodes[n.callee].need != unbounded)
    waiting_.push_back({n.callee, push({stack, node, count + 1})});
}

// All symbols between those at which some edge begins or ends take the same edges.
machine::state machine::compute_next(state from, symbol s) {
  auto to = std::vector<place::position>{};
  auto first = symbol{0}, last = symbol{symbol_count - 1};
  seen_.clear();
  work_ += step_work;
  for (const auto& p : states_[from].open) {
    for (const auto& e : net_->edges_of(net_->nodes[p.node])) {
      ++work_;
      if (e.first > s) {
        last = std::min(last, static_cast<symbol>(e.first - 1));
        break; // as do those behind it
      }
      if (e.last < s) {
        first = std::max(first, static_cast<symbol>(e.last + 1));
        continue;
      }
      first = std::max(first, e.first);
      last = std::min(last, e.last);
      const auto q = place::position{e.to, p.stack};
      if (to.size() < max_nodes && seen_.insert(q))
        to.push_back(q);
    }
  }
  const auto id = to.empty() ? dead : remember(std::move(to));
  const auto row = rows_.begin() + static_cast<std::ptrdiff_t>(from) * symbol_count;
  std::fill(row + first, row + last + 1, id);
  return id;
}

text_kind machine::text(state s, std::uint32_t reach) const noexcept {
  for (const auto& p : states_[s].open) {
    const auto& n = net_->nodes[p.node];
    if (n.text == text_kind::none)
      continue;
    if (!n.counted_text)
      return n.text;
    if (p.stack == place::no_stack)
      continue;
    const auto& f = frames_[p.stack].frame;
    const auto& r = net_->nodes[f.node];
    if (f.count > 0 && (r.max == unbounded || r.max - (f.count - 1) >= reach))
      return n.text;
  }
  return text_kind::none;
}

} // namespace larql::grammar
