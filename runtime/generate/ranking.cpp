#include "runtime/generate/ranking.hpp"

#include "runtime/base/check.hpp"
#include "runtime/base/portable_math.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace larql::generate {

namespace {

// Beyond this, e^-x * 2^44 is below one.
constexpr float deepest = 31;

// The smallest of some numbers. Eight at a time, which the compiler turns into vector instructions.
float lowest(std::span<const float> x) noexcept {
  constexpr std::size_t lanes = 8;
  float least[lanes];
  std::fill_n(least, lanes, x[0]);
  auto i = std::size_t{0};
  for (; i + lanes <= x.size(); i += lanes)
    for (auto k = std::size_t{0}; k < lanes; ++k)
      least[k] = x[i + k] < least[k] ? x[i + k] : least[k];
  for (; i < x.size(); ++i)
    least[0] = std::min(least[0], x[i]);
  return *std::min_element(least, least + lanes);
}

// Few enough to be sorted.
constexpr std::size_t few = 32;
// So many that listing them takes longer than looking whether they are all alike.
constexpr std::size_t many = 4096;

} // namespace

std::uint64_t ranking::mass_of(float weight) noexcept {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(weight * 0x1p44f));
}

void ranking::set(std::span<const float> logits, float temperature) {
  const auto n = logits.size();
  logits_ = logits;
  scaled_.resize(n);
  weights_.resize(n);
  bucket_of_.resize(n);
  const auto top = kernels_->maximum(logits.data(), n);
  LARQL_CHECK(std::isfinite(top));
  kernels_->softmax_terms(logits.data(), n, top, temperature, scaled_.data(), weights_.data());
  counts_.fill(0);
  masses_.fill(0);
  // Buckets are equal steps of the scaled logit, from the top down to the lowest one, or to where
  // masses are zero; the last one holds everything below.
  const auto range = std::min(deepest, -lowest(scaled_));
  per_unit_ = range > 0 ? last_bucket / range : 0;
  auto below = std::uint32_t{0};
  for (auto i = std::size_t{0}; i < n; ++i) {
    const auto b = bucket_at(scaled_[i]);
    bucket_of_[i] = b;
    if (b == buckets - 1 && scaled_[i] <= -deepest) {
      ++below; // adding to one bucket again and again is slow, and these have no mass
      continue;
    }
    ++counts_[b];
    masses_[b] += mass_of(weights_[i]);
  }
  counts_[buckets - 1] += below;
  total_ = std::accumulate(masses_.begin(), masses_.end(), std::uint64_t{0});
  collected_ = compared_ = buckets;
}

std::uint16_t ranking::bucket_at(float scaled) const noexcept {
  return static_cast<std::uint16_t>(std::min(scaled * -per_unit_, last_bucket));
}

void ranking::collect(std::size_t bucket) {
  if (collected_ == bucket)
    return;
  collected_ = bucket;
  entries_.clear();
  // Most stretches have none; looking for one takes vector instructions.
  constexpr std::size_t stretch = 64;
  const auto wanted = static_cast<std::uint16_t>(bucket);
  for (auto begin = std::size_t{0}; begin < bucket_of_.size(); begin += stretch) {
    const auto end = std::min(begin + stretch, bucket_of_.size());
    auto found = std::uint16_t{0};
    for (auto i = begin; i < end; ++i)
      found |= static_cast<std::uint16_t>(bucket_of_[i] == wanted);
    for (auto i = begin; i < end && found != 0; ++i)
      if (bucket_of_[i] == wanted)
        entries_.push_back({logits_[i], static_cast<std::uint32_t>(i),
                            scaled_[i] <= -deepest ? 0 : mass_of(weights_[i])});
  }
}

// Many tokens with one logit are common where most of a vocabulary was never trained, or logits
// were rounded.
bool ranking::is_of_equals(std::size_t bucket) {
  if (compared_ == bucket)
    return equal_;
  const auto wanted = static_cast<std::uint16_t>(bucket);
  constexpr auto none = std::numeric_limits<float>::infinity();
  auto low = none, high = -none;
  for (auto i = std::size_t{0}; i < bucket_of_.size(); ++i) {
    const auto x = logits_[i];
    const auto here = bucket_of_[i] == wanted;
    low = here && x < low ? x : low;
    high = here && x > high ? x : high;
  }
  compared_ = bucket;
  equal_ = low == high;
  return equal_;
}

// @pre is_of_equals(bucket)
ranking::located ranking::locate_equal(std::size_t bucket, measure by, std::uint64_t target) const {
  const auto each = masses_[bucket] / counts_[bucket];
  const auto before = by == measure::tokens ? target : target / each;
  const auto wanted = static_cast<std::uint16_t>(bucket);
  constexpr std::size_t stretch = 64;
  auto left = before;
  for (auto begin = std::size_t{0}; begin < bucket_of_.size(); begin += stretch) {
    const auto end = std::min(begin + stretch, bucket_of_.size());
    auto found = std::uint16_t{0};
    for (auto i = begin; i < end; ++i)
      found = static_cast<std::uint16_t>(found + (bucket_of_[i] == wanted ? 1 : 0));
    if (left >= found) {
      left -= found;
      continue;
    }
    for (auto i = begin;; ++i)
      if (bucket_of_[i] == wanted && left-- == 0)
        return {before * each, {logits_[i], static_cast<std::uint32_t>(i), each}};
  }
  LARQL_CHECK(false); // the bucket has what is looked for
  return {};
}

// The tokens are told apart by ever finer steps of their logits, until few are left or all are
// alike.
ranking::located ranking::locate(std::size_t bucket, measure by, std::uint64_t target) {
  constexpr std::size_t steps = 64;
  if (per_unit_ == 0) { // all logits are equal
    const auto each = mass_of(weights_[0]);
    const auto before = by == measure::tokens ? target : target / each;
    return {before * each, {logits_[0], static_cast<std::uint32_t>(before), each}};
  }
  if (counts_[bucket] > many && is_of_equals(bucket))
    return locate_equal(bucket, by, target);
  collect(bucket);
  auto& left = narrowed_;
  left = entries_;
  auto out = located{};
  for (;;) {
    const auto [low, high] = std::minmax_element(
        left.begin(), left.end(), [](const entry& a, const entry& b) { return a.logit < b.logit; });
    const auto bottom = low->logit, top = high->logit;
    if (left.size() <= few || bottom == top)
      break;
    const auto step_of = [&](const entry& e) {
      return static_cast<std::size_t>((top - e.logit) / (top - bottom) * float{steps - 1});
    };
    std::uint64_t tokens[steps] = {}, masses[steps] = {};
    for (const auto& e : left) {
      ++tokens[step_of(e)];
      masses[step_of(e)] += e.mass;
    }
    const auto* const measured = by == measure::tokens ? tokens : masses;
    auto s = std::size_t{0};
    for (; measured[s] <= target; ++s) {
      target -= measured[s];
      out.mass_before += masses[s];
    }
    std::erase_if(left, [&](const entry& e) { return step_of(e) != s; });
  }
  if (left.size() <= few) // else all logits are equal, and in the order of their ids
    std::sort(left.begin(), left.end(), [](const entry& a, const entry& b) {
      return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
    });
  for (const auto& e : left) {
    const auto measured = by == measure::tokens ? std::uint64_t{1} : e.mass;
    if (target < measured) {
      out.at = e;
      return out;
    }
    target -= measured;
    out.mass_before += e.mass;
  }
  LARQL_CHECK(false); // the bucket has what is looked for
  return out;
}

std::uint64_t ranking::mass_of_first(std::size_t k) {
  LARQL_CHECK(k != 0);
  auto mass = std::uint64_t{0};
  for (auto b = std::size_t{0}; b < buckets; ++b) {
    if (counts_[b] > k)
      return k == 0 || masses_[b] == 0 ? mass : mass + locate(b, measure::tokens, k).mass_before;
    k -= counts_[b];
    mass += masses_[b];
  }
  return mass;
}

std::uint64_t ranking::mass_above(float share) {
  if (share == 0 || per_unit_ == 0)
    return total_;
  const auto least = static_cast<float>(portable_log(share));
  const auto b = bucket_at(least);
  auto mass = std::accumulate(masses_.begin(), masses_.begin() + b, std::uint64_t{0});
  collect(b);
  for (const auto& e : entries_)
    if (scaled_[e.id] >= least)
      mass += e.mass;
  return mass;
}

ranking::place ranking::find(std::uint64_t mass) {
  LARQL_CHECK(mass < total_);
  auto before = std::uint64_t{0};
  auto b = std::size_t{0};
  for (; before + masses_[b] <= mass; ++b)
    before += masses_[b];
  const auto found = locate(b, measure::mass, mass - before);
  return {found.at.id, before + found.mass_before + found.at.mass};
}

} // namespace larql::generate
