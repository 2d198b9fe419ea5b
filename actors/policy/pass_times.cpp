#include "actors/policy/pass_times.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>
#include <utility>

namespace larql::actors {

namespace {

constexpr double weight_of_new = 0.25;
/// A much faster pass than before is no chance: nothing makes a pass faster than it can be. A much
/// slower one may be.
constexpr double much_faster = 0.75;
constexpr double weight_of_much_faster = 0.5;
constexpr double slower_at_most = 2;
/// Passes vary, and some of them by more when they are longer.
constexpr double margin = 0.97;
/// Tokens of prompts before it was seen what they cost.
constexpr std::uint32_t first_guess = 32;

void follow(double& average, double x) {
  if (average == 0)
    average = x;
  else
    average += (x < much_faster * average ? weight_of_much_faster : weight_of_new) *
               (std::min(x, slower_at_most * average) - average);
}

double ns_of(pass_times::duration d) {
  return static_cast<double>(std::max<std::int64_t>(d.count(), 1));
}

} // namespace

void pass_times::add(std::uint32_t answers, std::uint32_t reading, duration took) {
  LARQL_CHECK(answers + reading != 0);
  const auto ns = ns_of(took);
  if (reading == 0) {
    beside_in_a_row_ = 0;
    return follow(decode_ns_[std::min<std::size_t>(answers, counted - 1)], ns);
  }
  if (answers == 0) {
    // The weights are read for these tokens alone, so each seems to cost more than beside others.
    if (!read_beside_)
      follow(read_ns_, ns / reading);
    return;
  }
  ++beside_in_a_row_;
  const auto alone = decoding(answers);
  if (!alone)
    return;
  const auto more = std::max(ns - ns_of(*alone), 0.0) / reading;
  if (!std::exchange(read_beside_, true))
    read_ns_ = 0;
  follow(read_ns_, std::max(more, 1.0));
}

std::optional<pass_times::duration> pass_times::decoding(std::uint32_t answers) const {
  const auto wanted = std::min<std::size_t>(answers, counted - 1);
  for (auto n = wanted; n != 0 && 3 * n >= 2 * wanted; --n)
    if (decode_ns_[n] != 0)
      return duration{static_cast<std::int64_t>(decode_ns_[n])};
  return std::nullopt;
}

std::optional<std::uint32_t> pass_times::reading_within(duration limit,
                                                        std::uint32_t answers) const {
  const auto alone = decoding(answers);
  LARQL_CHECK(alone.has_value());
  if (read_ns_ == 0)
    return std::nullopt;
  const auto tokens = std::max(ns_of(limit) - ns_of(*alone), 0.0) / read_ns_;
  return static_cast<std::uint32_t>(std::min(tokens, 1e6));
}

// Between two numbers of answers that were seen time goes in a straight line; beyond the largest it
// grows as they do, which overestimates, up to half as many again.
std::optional<double> pass_times::estimate_ns(std::size_t answers) const {
  const auto seen = [&](std::size_t n) { return decode_ns_[n] != 0; };
  auto below = std::min(answers, counted - 1), above = below;
  while (below != 0 && !seen(below))
    --below;
  while (above < counted && !seen(above))
    ++above;
  if (below == 0)
    return std::nullopt;
  if (above == counted || above == below) {
    if (3 * below < 2 * answers)
      return std::nullopt;
    return decode_ns_[below] * static_cast<double>(answers) / static_cast<double>(below);
  }
  const auto part = static_cast<double>(answers - below) / static_cast<double>(above - below);
  return decode_ns_[below] + part * (decode_ns_[above] - decode_ns_[below]);
}

std::uint32_t pass_times::decoding_within(duration limit, std::uint32_t least,
                                          std::uint32_t most) const {
  for (auto n = most; n > least; --n)
    if (const auto ns = estimate_ns(n); ns && *ns <= ns_of(limit))
      return n;
  return least;
}

double weight_of_prompt(std::size_t tokens) noexcept {
  constexpr auto long_prompt = 2048.0;
  constexpr auto most = 3.0;
  return std::clamp(long_prompt / static_cast<double>(std::max<std::size_t>(tokens, 1)), 1.0, most);
}

pass_budget budget_of(const pass_times& times, const pass_load& load, double factor,
                      std::uint32_t chunk) {
  if (load.decoding == 0)
    return {std::max(std::min(load.reading, chunk), 1u)};
  const auto limit_of = [&](pass_times::duration alone, double prompts = 1) {
    const auto more = std::max(factor - 1, 0.0) * std::max(prompts, 1.0);
    return pass_times::duration{static_cast<std::int64_t>(static_cast<double>(alone.count()) *
                                                          std::max(margin * (1 + more), 1.0))};
  };
  const auto fair = std::min(load.clients * load.fewest, load.decoding);
  auto answers = load.decoding;
  if (const auto alone = times.decoding(fair); alone && fair < load.decoding)
    answers = times.decoding_within(limit_of(*alone), fair, load.decoding);
  if (load.reading == 0)
    return {answers};
  const auto alone = times.decoding(answers);
  if (!alone || times.is_stale())
    return {answers, false};
  const auto most = std::min(load.reading, chunk);
  const auto reading =
      times.reading_within(limit_of(*alone, load.waiting), answers).value_or(first_guess);
  return {answers + std::clamp(reading, 1u, most)};
}

} // namespace larql::actors
