#include "runtime/speculation/speculator.hpp"

#include "runtime/speculation/remembered.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

namespace larql::speculation {

namespace {

/// Of all answers of a pass together.
constexpr std::size_t most_drafts = 128;
/// Trees before there is anything to remember.
constexpr std::uint64_t least_learnt = 20;
/// Tokens that quick drafters expect to be right, so that slow ones need not be asked.
constexpr auto sure_enough = 2.0f;

// Of one answer. A tree and the token before it share the slots of drafts.
std::size_t most_drafts_of(const options& o) {
  return o.how == mode::fixed ? o.drafts : generate::draft_tree::max_rows - 1;
}

} // namespace

speculator::speculator(options o)
    : options_(std::move(o)), seen_(options_.sources.size()), control_(options_.shape) {
  if (options_.memory.empty())
    return;
  for (auto s = std::size_t{0}; s < seen_.size(); ++s)
    if (const auto cells = read_seen(options_.memory, name_of(s)); !cells.empty())
      seen_[s].restore(cells);
}

speculator::~speculator() {
  if (options_.memory.empty() || verified_ < least_learnt)
    return;
  for (auto s = std::size_t{0}; s < seen_.size(); ++s)
    (void) write_seen(options_.memory, name_of(s), seen_[s].cells()); // else it is learnt again
}

std::string speculator::name_of(std::size_t source) const {
  return fmt::format("{}/{}", options_.place, options_.sources[source]->name());
}

bool speculator::is_on() const noexcept {
  return options_.how != mode::off && !options_.sources.empty();
}

answer_drafts speculator::begin(std::string_view client) {
  auto out = answer_drafts{};
  for (const auto& s : options_.sources)
    out.drafters.push_back(s->begin(client));
  return out;
}

// The tree that is worth most.
double speculator::propose(const wish& w, bool ask_slow) {
  using clock = std::chrono::steady_clock;
  auto& to = *w.to;
  auto most = 0.0f;
  auto took = std::chrono::duration<double>{0};
  to.tree = {};
  for (auto s = std::size_t{0}; s < to.drafters.size(); ++s) {
    const auto slow = options_.sources[s]->takes_time();
    if (slow && (!ask_slow || most >= sure_enough))
      continue;
    const auto begin = clock::now();
    to.drafters[s]->propose(w.text, most_drafts_of(options_), proposed_);
    if (slow)
      took += clock::now() - begin;
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
  return took.count();
}

double speculator::plan(std::span<const wish> wishes, std::uint32_t rows) {
  offers_.clear();
  auto took = 0.0;
  const auto any_slow = std::any_of(options_.sources.begin(), options_.sources.end(),
                                    [](const auto& s) { return s->takes_time(); });
  const auto ask_slow = any_slow && (options_.how == mode::fixed || control_.may_ask());
  for (auto i = std::size_t{0}; i < wishes.size(); ++i) {
    took += propose(wishes[i], ask_slow);
    for (auto d = std::size_t{0}; d < wishes[i].to->tree.size(); ++d)
      offers_.push_back({i, d, best_worth_[d]});
  }
  // A draft is worth no more than its parent, which stands before it.
  std::stable_sort(offers_.begin(), offers_.end(),
                   [](const offer& a, const offer& b) { return a.worth > b.worth; });
  take_best(wishes, rows);
  return took;
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
  ++verified_;
}

void speculator::learn(std::string_view client, std::span<const std::uint32_t> answer) {
  for (const auto& s : options_.sources)
    s->learn(client, answer);
}

} // namespace larql::speculation
