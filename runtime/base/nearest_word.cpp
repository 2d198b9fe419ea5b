#include "runtime/base/nearest_word.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace larql {

namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  auto rows = std::vector(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  std::iota(rows[0].begin(), rows[0].end(), std::size_t{0});
  for (auto i = std::size_t{1}; i <= a.size(); ++i) {
    rows[i][0] = i;
    for (auto j = std::size_t{1}; j <= b.size(); ++j) {
      rows[i][j] = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1,
                             rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[a.size()][b.size()];
}

constexpr std::size_t longest_word = 64; // no word of ours is longer, and the work is quadratic

} // namespace

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> known) {
  auto out = std::string_view{};
  if (word.size() > longest_word)
    return out;
  auto least = std::clamp<std::size_t>(word.size() / 3, 1, 3) + 1;
  for (const auto k : known)
    if (const auto d = edit_distance(word, k); d < least) {
      least = d;
      out = k;
    }
  for (const auto k : known)
    if (out.empty() && word.size() >= 4 && k.starts_with(word))
      out = k;
  return out;
}

} // namespace larql
