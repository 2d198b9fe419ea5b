#include "runtime/speculation/speculator.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace larql::speculation {

namespace {

/// Of all answers of a pass together.
constexpr std::size_t most_drafts = 128;

} // namespace

speculator::speculator(options o)
    : options_(std::move(o)), seen_(options_.sources.size()), control_(options_.shape) {}

bool speculator::is_on() const noexcept {
  return options_.how != mode::off && !options_.sources.empty();
}

answer_drafts speculator::begin(std::string_view client) {
  auto out = answer_drafts{};
  for (const auto& s : options_.sources)
    out.drafters.push_back(s->begin(client));
  return out;
}

// The tree that is worth most. A tree and the token before it share the slots of drafts.
void speculator::propose(const wish& w) {
  auto& to = *w.to;
  auto most = 0.0f;
  to.tree = {};
  for (auto s = std::size_t{0}; s < to.drafters.size(); ++s) {
    to.drafters[s]->propose(w.text, generate::draft_tree::max_rows - 1, proposed_);
    w.state->prune(proposed_);
    seen_[s].worth_of(proposed_, worth_);
    const auto sum = std::accumulate(worth_.begin(), worth_.end(), 0.0f);
    if (sum <= most)
      continue;
    most = sum;
    to.source = s;
    std::swap(to.tree, proposed_);
    std::swap(best_worth_, worth_);
  }
}

void speculator::plan(std::span<const wish> wishes, std::uint32_t rows) {
  offers_.clear();
  for (auto i = std::size_t{0}; i < wishes.size(); ++i) {
    propose(wishes[i]);
    for (auto d = std::size_t{0}; d < wishes[i].to->tree.size(); ++d)
      offers_.push_back({i, d, best_worth_[d]});
  }
  // A draft is worth no more than its parent, which stands before it.
  std::stable_sort(offers_.begin(), offers_.end(),
                   [](const offer& a, const offer& b) { return a.worth > b.worth; });
  take_best(wishes, rows);
}

void speculator::take_best(std::span<const wish> wishes, std::uint32_t rows) {
  auto keep = std::vector<std::vector<bool>>{};
  for (const auto& w : wishes)
    keep.emplace_back(w.to->tree.size());
  if (options_.how == mode::fixed) {
    auto had = std::vector<std::size_t>(wishes.size());
    for (const auto& o : offers_)
      keep[o.wish][o.draft] = had[o.wish]++ < options_.drafts;
  } else {
    offers_.resize(std::min(offers_.size(), most_drafts));
    worth_.clear();
    for (const auto& o : offers_)
      worth_.push_back(o.worth);
    const auto n = control_.choose(worth_, rows, static_cast<std::uint32_t>(wishes.size()));
    for (auto i = std::size_t{0}; i < n; ++i)
      keep[offers_[i].wish][offers_[i].draft] = true;
  }
  for (auto i = std::size_t{0}; i < wishes.size(); ++i)
    wishes[i].to->tree.keep_only(keep[i]);
}

void speculator::verified(const answer_drafts& of, std::span<const std::uint32_t> branch) {
  seen_[of.source].add(of.tree, branch);
}

void speculator::learn(std::string_view client, std::span<const std::uint32_t> answer) {
  for (const auto& s : options_.sources)
    s->learn(client, answer);
}

} // namespace larql::speculation
