#include "runtime/generate/flight_plan.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>
#include <bit>

namespace larql::generate {

namespace {

constexpr double weight_of_new = 0.25;
// The network's time holds waiting for other bytes in flight: the least is nearer to its own.
constexpr double weight_of_slower_network = 1.0 / 32;
// Reading the weights of a layer takes about as long as multiplying them with so many rows.
constexpr double rows_of_weights = 16;
// What is won with one pass more must be more than what the model does not see.
constexpr double worth_a_pass = 0.97;
// Before anything was seen: a small first pass shows what passes cost.
constexpr auto first_flight = flight{2, 32};

void follow(double& average, double x, double weight) {
  average = average == 0 ? x : average + weight * (x - average);
}

double nanoseconds(std::chrono::nanoseconds t) {
  return static_cast<double>(t.count());
}

std::uint32_t divided(std::uint32_t a, std::uint32_t b) {
  return (a + b - 1) / b;
}

} // namespace

void flight_costs::add(std::uint32_t rows, const gemma4::pass_stats& pass) {
  if (rows == 0 || pass.layers == 0 || pass.calls.calls == 0)
    return;
  is_known_ = true;
  const auto layers = static_cast<double>(pass.layers);
  const auto& t = pass.times;
  const auto& a = pass.away;
  auto& s = seen_[std::min<std::size_t>(std::bit_width(rows) - 1, sizes - 1)];
  const auto network = std::max(nanoseconds(a.round_trips - a.kernels - a.queue), 0.0) / layers;
  const auto weight = network > s.network ? weight_of_slower_network : weight_of_new;
  follow(s.rows, rows, weight_of_new);
  follow(s.laptop, nanoseconds(t.attention + t.router + t.dense + t.combine) / layers,
         weight_of_new);
  follow(s.nodes, nanoseconds(a.kernels) / layers, weight_of_new);
  follow(s.network, network, weight);
}

// In a straight line between two sizes that were seen; beyond them as the rows and the weights.
double flight_costs::between(double rows, double seen::*what) const {
  const seen* below = nullptr;
  const seen* above = nullptr;
  for (const auto& s : seen_) {
    if (s.rows == 0)
      continue;
    if (s.rows <= rows)
      below = &s;
    else if (above == nullptr)
      above = &s;
  }
  if (below != nullptr && above != nullptr) {
    const auto part = (rows - below->rows) / (above->rows - below->rows);
    return below->*what + part * (above->*what - below->*what);
  }
  const auto* const near = below != nullptr ? below : above;
  return near->*what * (rows + rows_of_weights) / (near->rows + rows_of_weights);
}

std::optional<flight_costs::layer> flight_costs::of(std::uint32_t rows) const {
  LARQL_CHECK(rows > 0);
  const auto is_seen = [](const seen& s) { return s.rows != 0; };
  const auto fewest = std::find_if(seen_.begin(), seen_.end(), is_seen);
  if (!is_known_)
    return std::nullopt;
  const auto most = std::find_if(seen_.rbegin(), seen_.rend(), is_seen);
  const auto more_rows = most->rows - fewest->rows;
  // One size alone does not tell latency and bytes apart.
  auto each = more_rows > 0 ? (most->network - fewest->network) / more_rows
                            : fewest->network / 2 / fewest->rows;
  each = std::clamp(each, 0.0, fewest->network / fewest->rows);
  auto out = layer{};
  out.laptop = between(rows, &seen::laptop);
  out.nodes = between(rows, &seen::nodes);
  out.passing = each * rows;
  out.latency = fewest->network - each * fewest->rows;
  return out;
}

flight choose_flight(const flight_costs& costs, std::uint32_t rows, std::uint32_t most_rows,
                     std::uint32_t most_passes) {
  LARQL_CHECK(rows > 0 && most_rows > 0 && most_passes > 0);
  most_rows = std::min(most_rows, rows);
  if (most_passes == 1)
    return {1, most_rows};
  if (!costs.is_known())
    return {std::min(first_flight.passes, most_passes), std::min(first_flight.rows, most_rows)};
  auto best = flight{};
  auto least = 0.0;
  for (auto passes = 1u; passes <= std::min(most_passes, rows); ++passes) {
    // Passes of equal size, as few as may be.
    const auto rounds = divided(rows, passes * most_rows);
    const auto size = divided(rows, passes * rounds);
    const auto c = *costs.of(size);
    // Bytes there and back pass at the same time; each way takes at least half of both.
    const auto busiest = std::max({c.laptop, c.nodes, c.passing / 2});
    const auto alone = c.laptop + c.nodes + c.latency + c.passing;
    const auto time = rounds * std::max(alone, passes * busiest);
    if (passes == 1 || time < least * worth_a_pass) {
      best = {passes, size};
      least = time;
    }
  }
  return best;
}

// The single row may have to wait for all of the other pass' layer: here, at the node, and for its
// bytes.
std::uint32_t rows_beside_one(const flight_costs& costs, double factor, std::uint32_t most) {
  LARQL_CHECK(most > 0);
  if (!costs.is_known())
    return most;
  const auto busy = [&](std::uint32_t rows) {
    const auto c = *costs.of(rows);
    return c.laptop + c.nodes + c.passing;
  };
  const auto allowed = (factor - 1) * (busy(1) + costs.of(1)->latency);
  auto fits = 1u, beyond = most + 1;
  while (beyond - fits > 1) {
    const auto middle = fits + (beyond - fits) / 2;
    (busy(middle) <= allowed ? fits : beyond) = middle;
  }
  return fits;
}

} // namespace larql::generate
