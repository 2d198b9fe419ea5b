#include "runtime/generate/logprobs.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/portable_math.hpp"

#include <algorithm>
#include <numeric>

namespace larql::generate {

namespace {

// In one fixed order: the same bits on every machine.
double sum_of(std::span<const float> x) {
  constexpr std::size_t lanes = 8;
  double sums[lanes] = {};
  auto i = std::size_t{0};
  for (; i + lanes <= x.size(); i += lanes)
    for (auto k = std::size_t{0}; k < lanes; ++k)
      sums[k] += double{x[i + k]};
  for (; i < x.size(); ++i)
    sums[0] += double{x[i]};
  return std::accumulate(sums, sums + lanes, 0.0);
}

// The largest ones, by falling value, equal ones by rising id.
std::vector<token_logprob> largest(std::span<const float> x, std::size_t count) {
  auto out = std::vector<token_logprob>{};
  count = std::min(count, x.size());
  if (count == 0)
    return out;
  constexpr std::size_t stretch = 64;
  for (auto begin = std::size_t{0}; begin < x.size(); begin += stretch) {
    const auto end = std::min(begin + stretch, x.size());
    if (out.size() == count) { // most stretches have none that is larger
      const auto least = out.back().logprob;
      auto found = 0;
      for (auto i = begin; i < end; ++i)
        found |= static_cast<int>(x[i] > least);
      if (found == 0)
        continue;
    }
    for (auto i = begin; i < end; ++i) {
      if (out.size() == count && !(x[i] > out.back().logprob))
        continue;
      if (out.size() == count)
        out.pop_back();
      const auto behind = std::find_if(out.begin(), out.end(),
                                       [&](const token_logprob& t) { return t.logprob < x[i]; });
      out.insert(behind, {static_cast<std::uint32_t>(i), x[i]});
    }
  }
  return out;
}

} // namespace

token_logprobs logprobs_of(std::span<const float> logits, std::uint32_t chosen, std::uint32_t top,
                           const kernels::kernel_set& k, std::vector<float>& scratch) {
  LARQL_CHECK(chosen < logits.size() && top <= max_top_logprobs);
  const auto n = logits.size();
  scratch.resize(2 * n);
  const auto scaled = std::span{scratch}.first(n), weights = std::span{scratch}.subspan(n);
  k.softmax_terms(logits.data(), n, k.maximum(logits.data(), n), 1, scaled.data(), weights.data());
  const auto log_sum = portable_log(sum_of(weights));
  const auto logprob = [&](float x) { return static_cast<float>(double{x} - log_sum); };
  auto out = token_logprobs{{chosen, logprob(scaled[chosen])}, largest(scaled, top)};
  for (auto& t : out.top)
    t.logprob = logprob(t.logprob);
  return out;
}

} // namespace larql::generate
