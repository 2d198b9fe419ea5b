#include "cli/laptop/bench_bounds.hpp"

#include "actors/net/wan_path.hpp"

#include <numeric>

namespace larql::cli {

namespace {

double seconds(std::chrono::nanoseconds t) {
  return std::chrono::duration<double>(t).count();
}

row_costs costs(const gemma4::phase_times& t, const bench_wire& before, const bench_wire& after,
                double node_seconds, double passes) {
  auto out = row_costs{};
  out.layers = static_cast<double>(after.layers - before.layers) / passes;
  out.bytes_up = static_cast<double>(after.bytes_sent - before.bytes_sent) / passes;
  out.bytes_down = static_cast<double>(after.bytes_received - before.bytes_received) / passes;
  out.before = seconds(t.attention + t.router + t.combine + t.head) / passes;
  out.meanwhile = seconds(t.dense) / passes;
  out.nodes = node_seconds / passes;
  return out;
}

} // namespace

link_numbers numbers_of(const bench_link_facts& link) {
  const auto jitter = std::chrono::nanoseconds{static_cast<std::int64_t>(link.jitter * 1e9)};
  return {link.round_trip + seconds(actors::expected_jitter(jitter, link.nodes)),
          link.up_bytes_per_second, link.down_bytes_per_second};
}

row_costs costs_of(const bench_prefill& p) {
  return costs(p.phases, p.wire_before, p.wire_after, p.node_seconds, 1);
}

row_costs costs_of(const bench_decode& d) {
  const auto node_us =
      std::accumulate(d.round_trip_compute_us.begin(), d.round_trip_compute_us.end(), 0.0);
  return costs(d.phases, d.wire_before, d.wire_after, node_us * 1e-6,
               static_cast<double>(d.seconds.size()));
}

// The layers of a prompt's chunks are counted one by one; only those of the first wait for the link
// alone.
double bound_of(const bench_prefill& p, const bench_link_facts& link) {
  auto c = costs_of(p);
  c.layers /= p.chunks;
  return p.tokens / least_prompt_seconds(numbers_of(link), c);
}

double bound_of(const bench_decode& d, const bench_link_facts& link) {
  auto c = costs_of(d);
  c.layers /= d.groups;
  return d.sessions / least_round_seconds(numbers_of(link), c, d.sessions); // each for itself
}

} // namespace larql::cli
