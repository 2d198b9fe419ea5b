#include "runtime/grammar/compiled_grammar.hpp"

#include <algorithm>
#include <utility>

namespace larql::grammar {

compiled_grammar::compiled_grammar(network net, std::shared_ptr<const vocabulary_trie> tokens,
                                   std::uint64_t max_work)
    : tokens_(std::move(tokens)),
      max_work_(max_work),
      net_(std::make_shared<const network>(std::move(net))),
      machine_(net_) {}

place compiled_grammar::start() const {
  return {{}, {{net_->start, place::no_stack}}};
}

place compiled_grammar::near_place(const place& at) const {
  return near(at, *net_, tokens_->longest());
}

place compiled_grammar::after(const place& from, std::span<const symbol> symbols) {
  const auto lock = std::lock_guard{mutex_};
  if (machine_.full())
    machine_.reset();
  auto state = machine_.enter(from);
  for (const auto s : symbols) {
    state = machine_.next(state, s);
    if (machine_.full())
      make_room({&state, 1});
  }
  return machine_.leave(state);
}

bool compiled_grammar::accepts(const place& at) {
  const auto lock = std::lock_guard{mutex_};
  if (machine_.full())
    machine_.reset();
  return machine_.accepts(machine_.enter(at));
}

// Forgets everything but the states of a path.
void compiled_grammar::make_room(std::span<machine::state> path) {
  auto places = std::vector<place>{};
  for (const auto s : path)
    places.push_back(machine_.leave(s));
  machine_.reset();
  for (auto i = std::size_t{0}; i < path.size(); ++i)
    path[i] = machine_.enter(places[i]);
}

std::vector<std::uint64_t> compiled_grammar::tokens_at(const place& at) {
  const auto lock = std::lock_guard{mutex_};
  // What a walk leaves out at its bound depends on the place, not on what was asked for before.
  machine_.reset();
  const auto from = machine_.enter(at);
  const auto text = machine_.text(from, tokens_->longest());
  if (text == text_kind::none) {
    auto bits = std::vector<std::uint64_t>((tokens_->vocabulary() + 63) / 64);
    walk(tokens_->all(), from, bits);
    return bits;
  }
  auto bits = tokens_->plain(text);
  walk(tokens_->others(text), from, bits);
  return bits;
}

void compiled_grammar::walk(const vocabulary_trie::tree& tree, machine::state from,
                            std::vector<std::uint64_t>& bits) {
  auto any = false;
  const auto allow = [&](std::size_t i) {
    for (const auto token : tree.tokens_of(i)) {
      bits[token / 64] |= std::uint64_t{1} << token % 64;
      any = true;
    }
  };
  const auto last_work = machine_.work() + max_work_;
  const auto may_work = [&] { return machine_.work() < last_work || !any; };
  // Tokens of one symbol first: they spell what is left out at the bound.
  for (auto i = std::size_t{0}; i < tree.size() && may_work(); i = tree.nodes[i].end) {
    if (machine_.next(from, tree.nodes[i].s) != machine::dead)
      allow(i);
    if (machine_.full())
      make_room({&from, 1});
  }
  auto path = std::vector<machine::state>(tokens_->longest() + 2);
  path[0] = from;
  for (auto i = std::size_t{0}; i < tree.size();) {
    const auto& node = tree.nodes[i];
    const auto state = may_work() ? machine_.next(path[node.depth], node.s)
                                  : machine_.known_next(path[node.depth], node.s);
    if (state == machine::dead) {
      i = node.end;
      continue;
    }
    path[node.depth + 1u] = state;
    allow(i);
    if (machine_.full())
      make_room(std::span{path}.first(node.depth + 2u));
    ++i;
  }
}

} // namespace larql::grammar
