#include "runtime/speculation/suffix_drafter.hpp"

#include <algorithm>
#include <queue>

namespace larql::speculation {

namespace {

constexpr auto doubt = 4.0f;
/// Longer matches say no more.
constexpr auto longest_match = std::size_t{64};

/// A continuation that may become a draft.
struct candidate {
  suffix_tree::match at;
  std::uint32_t token = 0;
  std::int32_t parent = -1;
  float chance = 0; ///< behind its parent
  float whole = 0;  ///< with all before it
};

/// Of equals the smaller token: what is proposed does not depend on the order of edges.
struct less_likely {
  bool operator()(const candidate& a, const candidate& b) const noexcept {
    return a.whole != b.whole ? a.whole < b.whole
                              : (a.parent != b.parent ? a.parent > b.parent : a.token > b.token);
  }
};

using candidates = std::priority_queue<candidate, std::vector<candidate>, less_likely>;

void add_next(const suffix_tree& tree, const suffix_tree::match& from, std::int32_t parent,
              float whole, float least, candidates& to) {
  auto all = 0.0f;
  tree.for_each_next(from,
                     [&](auto, const auto&, std::uint32_t n) { all += static_cast<float>(n); });
  if (all == 0)
    return;
  all += doubt / static_cast<float>(from.length);
  tree.for_each_next(from, [&](std::uint32_t token, const suffix_tree::match& at, std::uint32_t n) {
    const auto chance = static_cast<float>(n) / all;
    if (token != suffix_tree::separator && whole * chance >= least)
      to.push({at, token, parent, chance, whole * chance});
  });
}

} // namespace

class suffix_source::own_drafter final : public drafter {
public:
  own_drafter(const options& o, std::shared_ptr<const memory> earlier)
      : options_(o), earlier_(std::move(earlier)) {}

  void propose(const drafted_text& what, std::size_t most, generate::draft_tree& out) override {
    const auto text = what.tokens;
    own_.append(text.subspan(own_.size()));
    out = {};
    const auto here = own_.repeated_suffix();
    const auto there = earlier_->tree.find_suffix(text.last(std::min(text.size(), longest_match)));
    const auto is_here = here.length >= there.length;
    const auto& from = is_here ? here : there;
    if (from.length < options_.least_match)
      return;
    const auto& tree = is_here ? own_ : earlier_->tree;
    auto open = candidates{};
    add_next(tree, from, -1, 1, options_.least_chance, open);
    while (!open.empty() && out.size() < most) {
      const auto best = open.top();
      open.pop();
      const auto number = out.add(best.token, best.parent, best.chance);
      add_next(tree, best.at, number, best.whole, options_.least_chance, open);
    }
  }

private:
  options options_;
  suffix_tree own_; // prompt and answer
  std::shared_ptr<const memory> earlier_;
};

std::unique_ptr<drafter> suffix_source::begin(std::string_view client) {
  auto found = clients_.find(client);
  if (found == clients_.end()) {
    if (clients_.size() >= options_.most_clients)
      clients_.erase(
          std::min_element(clients_.begin(), clients_.end(), [](const auto& a, const auto& b) {
            return a.second->used < b.second->used;
          }));
    found = clients_.emplace(std::string{client}, std::make_shared<memory>()).first;
  }
  found->second->used = ++clock_;
  return std::make_unique<own_drafter>(options_, found->second);
}

// Answers of a client that was forgotten meanwhile have no place any more.
void suffix_source::learn(std::string_view client, std::span<const std::uint32_t> answer) {
  const auto found = clients_.find(client);
  if (found == clients_.end() || answer.empty())
    return;
  auto& m = *found->second;
  const auto part = answer.last(std::min(answer.size(), options_.most_remembered / 2));
  const auto old = m.tokens.size();
  m.tokens.insert(m.tokens.end(), part.begin(), part.end());
  m.tokens.push_back(suffix_tree::separator);
  if (m.tokens.size() <= options_.most_remembered) {
    m.tree.append(std::span{m.tokens}.subspan(old));
    return;
  }
  // The newer half stays.
  m.tokens.erase(m.tokens.begin(),
                 m.tokens.end() - static_cast<std::ptrdiff_t>(options_.most_remembered / 2));
  m.tree = {};
  m.tree.append(m.tokens);
}

} // namespace larql::speculation
