#include "actors/policy/pass_times.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>
#include <bit>

namespace larql::actors {

namespace {

constexpr double weight_of_new = 0.25;
/// Passes vary; most of them are to stay within the factor, not half of them.
constexpr double margin = 0.85;
/// Rows for prompts before any pass was measured.
constexpr std::uint32_t first_guess = 32;

} // namespace

void pass_times::add(std::uint32_t rows, duration took) {
  LARQL_CHECK(rows != 0);
  const auto power = static_cast<std::size_t>(std::bit_width(rows) - 1);
  auto& a = seen_[std::min(power, seen_.size() - 1)];
  const auto w = a.ns == 0 ? 1.0 : weight_of_new;
  a.rows += w * (static_cast<double>(rows) - a.rows);
  a.ns += w * (static_cast<double>(std::max<std::int64_t>(took.count(), 1)) - a.ns);
}

std::optional<pass_times::duration> pass_times::of(std::uint32_t rows) const {
  const auto x = static_cast<double>(rows);
  const average* below = nullptr;
  const average* above = nullptr;
  for (const auto& a : seen_) {
    if (a.ns == 0)
      continue;
    if (a.rows <= x)
      below = &a;
    else if (above == nullptr)
      above = &a;
  }
  auto ns = 0.0;
  if (below != nullptr && above != nullptr)
    ns = below->ns + (above->ns - below->ns) * (x - below->rows) / (above->rows - below->rows);
  else if (below != nullptr)
    ns = below->ns * x / below->rows;
  else if (above != nullptr)
    ns = above->ns;
  else
    return std::nullopt;
  return duration{static_cast<std::int64_t>(ns)};
}

// Noise may make a larger pass seem faster than a smaller one; the search then ends at some number
// that is within the limit.
std::uint32_t pass_times::rows_within(duration limit, std::uint32_t most) const {
  auto low = 1u, high = std::max(most, 1u); // low is taken whatever it costs
  while (low < high) {
    const auto middle = low + (high - low + 1) / 2;
    if (of(middle).value_or(duration{0}) <= limit)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

std::uint32_t pass_budget(const pass_times& times, const pass_load& load, double factor,
                          std::uint32_t chunk) {
  if (load.decoding == 0)
    return std::max(std::min(load.reading, chunk), 1u);
  const auto within = [&](std::uint32_t usual, std::uint32_t most) -> std::uint32_t {
    const auto alone = times.of(usual);
    if (!alone)
      return std::min(most, usual + first_guess);
    const auto limit = pass_times::duration{static_cast<std::int64_t>(
        static_cast<double>(alone->count()) * std::max(factor * margin, 1.0))};
    return std::max(times.rows_within(limit, most), usual);
  };
  const auto fair = load.clients * load.fewest;
  const auto decoding = fair == load.decoding ? fair : within(fair, load.decoding);
  if (load.reading == 0)
    return decoding;
  return within(decoding, decoding + std::min(load.reading, chunk));
}

} // namespace larql::actors
