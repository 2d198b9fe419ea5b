#include "runtime/generate/sampler.hpp"

#include <algorithm>
#include <cmath>

namespace larql::generate {

result<void> check_options(const sampling_options& o) {
  if (!(o.temperature >= 0 && o.temperature <= 100))
    return fail(errc::usage, "temperature is {}, expected 0 to 100", o.temperature);
  if (!(o.top_p > 0 && o.top_p <= 1))
    return fail(errc::usage, "top-p is {}, expected a number in (0, 1]", o.top_p);
  if (!(o.min_p >= 0 && o.min_p <= 1))
    return fail(errc::usage, "min-p is {}, expected a number in [0, 1]", o.min_p);
  return {};
}

sampler::sampler(const kernels::kernel_set& k, const sampling_options& options)
    : kernels_(k), options_(options), state_(options.seed) {}

std::uint32_t argmax(std::span<const float> logits) noexcept {
  auto best = std::size_t{0};
  for (auto i = std::size_t{1}; i < logits.size(); ++i)
    if (logits[i] > logits[best])
      best = i;
  return static_cast<std::uint32_t>(best);
}

std::uint32_t sampler::choose(std::span<const float> logits) {
  if (options_.temperature == 0)
    return argmax(logits);
  keep_top_k(logits);
  probabilities_.clear();
  // Relative to the largest, so that no temperature makes it infinite.
  for (const auto& c : candidates_)
    probabilities_.push_back((c.logit - candidates_[0].logit) / options_.temperature);
  kernels_.softmax(probabilities_.data(), probabilities_.size());
  const auto kept = kept_after_top_p_and_min_p();
  auto mass = 0.0;
  for (auto i = std::size_t{0}; i < kept; ++i)
    mass += probabilities_[i];
  const auto target = uniform() * mass;
  auto sum = 0.0;
  for (auto i = std::size_t{0}; i < kept; ++i) {
    sum += probabilities_[i];
    if (target < sum)
      return candidates_[i].id;
  }
  return candidates_[kept - 1].id;
}

// Largest first; equal logits by id, so that the order is the same everywhere.
void sampler::keep_top_k(std::span<const float> logits) {
  const auto before = [](const candidate& a, const candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  candidates_.resize(logits.size());
  for (auto i = std::size_t{0}; i < logits.size(); ++i)
    candidates_[i] = {logits[i], static_cast<std::uint32_t>(i)};
  const auto k =
      options_.top_k == 0 ? logits.size() : std::min<std::size_t>(options_.top_k, logits.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k),
                    candidates_.end(), before);
  candidates_.resize(k);
}

std::size_t sampler::kept_after_top_p_and_min_p() const {
  auto kept = std::size_t{0};
  auto sum = 0.0;
  const auto least = options_.min_p * probabilities_[0];
  while (kept < probabilities_.size() &&
         (kept == 0 || (sum < options_.top_p && probabilities_[kept] >= least)))
    sum += probabilities_[kept++];
  return kept;
}

// splitmix64: the standard library's distributions differ between implementations.
double sampler::uniform() {
  state_ += 0x9e3779b97f4a7c15u;
  auto z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return static_cast<double>(z >> 11) * 0x1p-53;
}

} // namespace larql::generate
