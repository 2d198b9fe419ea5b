#include "actors/policy/row_share.hpp"

#include <algorithm>
#include <numeric>

namespace larql::actors {

namespace {

// Indices of the demands of one kind, in their order.
std::vector<std::size_t> of_kind(std::span<const row_demand> demands, bool prompts) {
  auto out = std::vector<std::size_t>{};
  for (auto i = std::size_t{0}; i < demands.size(); ++i)
    if (demands[i].is_prompt == prompts && demands[i].rows != 0)
      out.push_back(i);
  std::stable_sort(out.begin(), out.end(), [&](std::size_t a, std::size_t b) {
    return demands[a].order < demands[b].order;
  });
  return out;
}

std::uint64_t rows_of(std::span<const row_demand> demands, std::span<const std::size_t> which) {
  return std::accumulate(which.begin(), which.end(), std::uint64_t{0},
                         [&](std::uint64_t sum, std::size_t i) { return sum + demands[i].rows; });
}

class sharing {
public:
  sharing(std::span<const row_demand> demands, std::span<const rows_had> had)
      : demands_(demands), had_(had.begin(), had.end()), out_(demands.size(), 0) {}

  void decode(std::vector<std::size_t> left, std::uint32_t rows) {
    while (rows != 0 && !left.empty()) {
      const auto next = std::min_element(left.begin(), left.end(), [&](auto a, auto b) {
        return decoded(a) < decoded(b); // the first of equals
      });
      grant(*next, 1, had_[demands_[*next].client].decoded);
      left.erase(next);
      --rows;
    }
  }

  void read(std::vector<std::size_t> left, std::uint32_t rows) {
    while (rows != 0 && !left.empty()) {
      const auto least = read_by(*std::min_element(
          left.begin(), left.end(), [&](auto a, auto b) { return read_by(a) < read_by(b); }));
      const auto next = std::find_if(left.begin(), left.end(),
                                     [&](auto i) { return read_by(i) <= least + prompt_lead; });
      const auto count = std::min(rows, demands_[*next].rows);
      grant(*next, count, had_[demands_[*next].client].read);
      left.erase(next);
      rows -= count;
    }
  }

  [[nodiscard]] std::vector<std::uint32_t> take() { return std::move(out_); }

private:
  [[nodiscard]] std::uint64_t decoded(std::size_t i) const {
    return had_[demands_[i].client].decoded;
  }
  [[nodiscard]] std::uint64_t read_by(std::size_t i) const { return had_[demands_[i].client].read; }

  void grant(std::size_t i, std::uint32_t rows, std::uint64_t& to) {
    out_[i] = rows;
    to += rows;
  }

  std::span<const row_demand> demands_;
  std::vector<rows_had> had_; // with what this pass gives
  std::vector<std::uint32_t> out_;
};

} // namespace

std::vector<std::uint32_t> share_rows(std::span<const row_demand> demands,
                                      std::span<const rows_had> had, std::uint32_t budget) {
  const auto prompts = of_kind(demands, true);
  const auto answers = of_kind(demands, false);
  const auto left = budget - std::min<std::uint64_t>(budget, answers.size());
  const auto for_prompts = static_cast<std::uint32_t>(std::min<std::uint64_t>(
      rows_of(demands, prompts), std::max<std::uint64_t>(left, (std::uint64_t{budget} + 3) / 4)));
  auto out = sharing{demands, had};
  out.decode(answers, budget - for_prompts);
  out.read(prompts, for_prompts);
  return out.take();
}

rows_had rows_on_arrival(rows_had before, std::span<const rows_had> others) {
  if (others.empty())
    return before;
  auto least = others.front();
  for (const auto& o : others) {
    least.decoded = std::min(least.decoded, o.decoded);
    least.read = std::min(least.read, o.read);
  }
  return {std::max(before.decoded, least.decoded), std::max(before.read, least.read)};
}

} // namespace larql::actors
