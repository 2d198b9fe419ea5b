#include "runtime/generate/sampler.hpp"

#include "runtime/generate/random.hpp"

#include <algorithm>
#include <cmath>

namespace larql::generate {

namespace {

__extension__ using uint128 = unsigned __int128;

// mass * bits / 2^53, exact.
std::uint64_t share_of(std::uint64_t mass, std::uint64_t bits) noexcept {
  return static_cast<std::uint64_t>((uint128{mass} * bits) >> 53);
}

// Leaves -infinity for what is not allowed.
void take_away(std::span<float> logits, const grammar::token_mask& mask) {
  constexpr std::size_t bits = 64;
  const auto words = mask.bits();
  for (auto begin = std::size_t{0}; begin < logits.size(); begin += bits) {
    const auto part = logits.subspan(begin, std::min(bits, logits.size() - begin));
    const auto allowed = begin / bits < words.size() ? words[begin / bits] : 0;
    if (allowed == 0)
      std::fill(part.begin(), part.end(), -INFINITY);
    else if (allowed != ~std::uint64_t{0})
      for (auto i = std::size_t{0}; i < part.size(); ++i)
        part[i] = (allowed >> i & 1) != 0 ? part[i] : -INFINITY;
  }
}

} // namespace

result<void> check_options(const sampling_options& o) {
  if (!(o.temperature >= 0 && o.temperature <= 100))
    return fail(errc::usage, "temperature is {}, expected 0 to 100", o.temperature);
  if (!(o.top_p > 0 && o.top_p <= 1))
    return fail(errc::usage, "top-p is {}, expected a number in (0, 1]", o.top_p);
  if (!(o.min_p >= 0 && o.min_p <= 1))
    return fail(errc::usage, "min-p is {}, expected a number in [0, 1]", o.min_p);
  if (!(o.repetition_penalty > 0 && o.repetition_penalty <= 100))
    return fail(errc::usage, "repetition penalty is {}, expected a number in (0, 100]",
                o.repetition_penalty);
  for (const auto& [name, x] :
       {std::pair{"presence", o.presence_penalty}, std::pair{"frequency", o.frequency_penalty}})
    if (!(std::fabs(x) <= 100))
      return fail(errc::usage, "{} penalty is {}, expected -100 to 100", name, x);
  for (const auto& [token, x] : o.bias)
    if (std::isnan(x) || x == INFINITY)
      return fail(errc::usage, "bias of token {} is {}, expected a number or -inf", token, x);
  return {};
}

sampler::sampler(sampling_options options) : options_(std::move(options)) {}

std::uint32_t argmax(std::span<const float> logits) noexcept {
  auto best = std::size_t{0};
  for (auto i = std::size_t{1}; i < logits.size(); ++i)
    if (logits[i] > logits[best])
      best = i;
  return static_cast<std::uint32_t>(best);
}

bool sampler::has_penalties() const noexcept {
  return options_.repetition_penalty != 1 || options_.presence_penalty != 0 ||
         options_.frequency_penalty != 0;
}

void sampler::add(std::uint32_t token) {
  if (!has_penalties())
    return;
  const auto it = std::lower_bound(seen_.begin(), seen_.end(), std::pair{token, 0u});
  if (it != seen_.end() && it->first == token)
    ++it->second;
  else
    seen_.insert(it, {token, 1});
}

bool sampler::changes_logits() const noexcept {
  return !options_.bias.empty() || !seen_.empty();
}

template <class PlaceOf>
void sampler::change(PlaceOf&& place_of) const {
  for (const auto& [token, bias] : options_.bias)
    if (float* logit = place_of(token))
      *logit += bias;
  for (const auto& [token, count] : seen_) {
    float* logit = place_of(token);
    if (logit == nullptr)
      continue;
    *logit =
        *logit > 0 ? *logit / options_.repetition_penalty : *logit * options_.repetition_penalty;
    *logit -= options_.presence_penalty + options_.frequency_penalty * static_cast<float>(count);
  }
}

std::uint32_t sampler::choose(std::span<const float> logits, std::uint64_t index,
                              sampling_scratch& scratch, const grammar::token_mask* mask) const {
  auto& x = scratch.logits;
  // Where all are -infinity there is nothing to rank.
  const auto none_left = [&] {
    return !std::isfinite(scratch.kernels->maximum(x.data(), x.size()));
  };
  if (mask != nullptr && mask->is_list()) {
    const auto tokens = mask->list();
    x.clear();
    for (const auto token : tokens)
      x.push_back(token < logits.size() ? logits[token] : -INFINITY);
    change([&](std::uint32_t token) {
      const auto it = std::lower_bound(tokens.begin(), tokens.end(), token);
      return it != tokens.end() && *it == token ? &x[static_cast<std::size_t>(it - tokens.begin())]
                                                : nullptr;
    });
    return none_left() ? tokens.front() : tokens[choose_among(x, index, scratch)];
  }
  if (mask == nullptr && !changes_logits())
    return choose_among(logits, index, scratch);
  x.assign(logits.begin(), logits.end());
  change([&](std::uint32_t token) { return token < x.size() ? &x[token] : nullptr; });
  if (mask != nullptr)
    take_away(x, *mask);
  if (none_left())
    return mask == nullptr ? 0 : mask->first();
  return choose_among(x, index, scratch);
}

std::uint32_t sampler::choose_among(std::span<const float> x, std::uint64_t index,
                                    sampling_scratch& scratch) const {
  if (options_.temperature == 0 || x.size() == 1)
    return argmax(x);
  auto& ranked = scratch.ranked;
  ranked.set(x, options_.temperature);
  const auto mass =
      options_.top_k == 0 ? ranked.total_mass() : ranked.mass_of_first(options_.top_k);
  auto kept = mass;
  if (options_.top_p < 1) {
    // The shortest prefix that reaches top_p: it ends with the token that exceeds one less.
    const auto wanted = std::ceil(double{options_.top_p} * static_cast<double>(mass));
    kept = ranked.find(std::clamp<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1, mass) - 1)
               .mass_through;
  }
  if (options_.min_p > 0)
    kept = std::min(kept, ranked.mass_above(options_.min_p));
  return ranked.find(share_of(kept, random_bits(options_.seed, index))).id;
}

} // namespace larql::generate
