#include "runtime/generate/sampler.hpp"

#include "runtime/generate/random.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

namespace larql::generate {

namespace {

__extension__ using uint128 = unsigned __int128;

// mass * bits / 2^53, exact.
std::uint64_t share_of(std::uint64_t mass, std::uint64_t bits) noexcept {
  return static_cast<std::uint64_t>((uint128{mass} * bits) >> 53);
}

constexpr std::size_t bits_of_word = 64;

/// The tokens that a mask of bits allows, by their place among themselves.
class allowed_tokens {
public:
  /// `before` is memory for the number of allowed tokens before each word.
  allowed_tokens(std::span<const std::uint64_t> words, std::vector<std::uint32_t>& before)
      : words_(words), before_(before) {
    before_.clear();
    auto count = std::uint32_t{0};
    for (const auto word : words_) {
      before_.push_back(count);
      count += static_cast<std::uint32_t>(std::popcount(word));
    }
  }

  /// The place of an allowed token; nothing for another.
  [[nodiscard]] std::optional<std::size_t> place_of(std::uint32_t token) const {
    const auto i = token / bits_of_word, bit = token % bits_of_word;
    if (i >= words_.size() || (words_[i] >> bit & 1) == 0)
      return std::nullopt;
    const auto lower = words_[i] & ((std::uint64_t{1} << bit) - 1);
    return before_[i] + static_cast<std::size_t>(std::popcount(lower));
  }
  [[nodiscard]] std::uint32_t token_at(std::size_t place) const {
    const auto behind = std::upper_bound(before_.begin(), before_.end(), place);
    const auto i = static_cast<std::size_t>(behind - before_.begin()) - 1;
    auto word = words_[i];
    for (auto skip = place - before_[i]; skip > 0; --skip)
      word &= word - 1;
    return static_cast<std::uint32_t>(i * bits_of_word +
                                      static_cast<std::size_t>(std::countr_zero(word)));
  }
  /// Their logits, in their order; those beyond the row are -infinity.
  void gather(std::span<const float> logits, std::vector<float>& out) const {
    // Every word may write a whole one; what is not allowed is written over.
    out.resize(words_.size() * bits_of_word + bits_of_word);
    auto n = std::size_t{0};
    for (auto i = std::size_t{0}; i < words_.size(); ++i) {
      const auto begin = i * bits_of_word;
      const auto inside = begin + bits_of_word <= logits.size();
      if (words_[i] == 0)
        continue;
      if (words_[i] == ~std::uint64_t{0} && inside) {
        std::copy_n(&logits[begin], bits_of_word, &out[n]);
        n += bits_of_word;
        continue;
      }
      for (auto word = words_[i]; word != 0; word &= word - 1) {
        const auto token = begin + static_cast<std::size_t>(std::countr_zero(word));
        out[n++] = inside || token < logits.size() ? logits[token] : -INFINITY;
      }
    }
    out.resize(n);
  }

private:
  std::span<const std::uint64_t> words_;
  std::vector<std::uint32_t>& before_;
};

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
  // Where all are -infinity there is nothing to rank, and the first one is as good as any.
  const auto chosen = [&] {
    return std::isfinite(scratch.kernels->maximum(x.data(), x.size()))
               ? choose_among(x, index, scratch)
               : 0;
  };
  if (mask == nullptr) {
    if (!changes_logits())
      return choose_among(logits, index, scratch);
    x.assign(logits.begin(), logits.end());
    change([&](std::uint32_t token) { return token < x.size() ? &x[token] : nullptr; });
    return chosen();
  }
  if (!mask->is_list()) {
    const auto allowed = allowed_tokens{mask->bits(), scratch.counts};
    allowed.gather(logits, x);
    change([&](std::uint32_t token) {
      const auto place = allowed.place_of(token);
      return place ? &x[*place] : nullptr;
    });
    return allowed.token_at(chosen());
  }
  const auto tokens = mask->list();
  x.clear();
  for (const auto token : tokens)
    x.push_back(token < logits.size() ? logits[token] : -INFINITY);
  change([&](std::uint32_t token) {
    const auto it = std::lower_bound(tokens.begin(), tokens.end(), token);
    return it != tokens.end() && *it == token ? &x[static_cast<std::size_t>(it - tokens.begin())]
                                              : nullptr;
  });
  return tokens[chosen()];
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
