#include "cli/laptop/wan_bound.hpp"

#include <algorithm>

namespace larql::cli {

namespace {

double seconds_for(double bytes, double rate) {
  return rate > 0 ? bytes / rate : 0;
}

/// What keeps the busiest of link and machines for all rows.
double busiest(const link_numbers& link, const row_costs& c) {
  return std::max({seconds_for(c.bytes_up, link.up_bytes_per_second),
                   seconds_for(c.bytes_down, link.down_bytes_per_second), c.before + c.meanwhile,
                   c.nodes});
}

} // namespace

double transfer_seconds(const link_numbers& link, const row_costs& c) {
  return seconds_for(c.bytes_up, link.up_bytes_per_second) +
         seconds_for(c.bytes_down, link.down_bytes_per_second);
}

double least_pass_seconds(const link_numbers& link, const row_costs& c) {
  const auto away = c.layers * link.round_trip + transfer_seconds(link, c) + c.nodes;
  return c.before + std::max(away, c.meanwhile);
}

double least_prompt_seconds(const link_numbers& link, const row_costs& c) {
  return busiest(link, c) + c.layers * link.round_trip;
}

double least_round_seconds(const link_numbers& link, const row_costs& c, double groups) {
  auto own = c;
  for (auto* part : {&own.bytes_up, &own.bytes_down, &own.before, &own.meanwhile, &own.nodes})
    *part /= groups;
  return std::max(least_pass_seconds(link, own), busiest(link, c));
}

} // namespace larql::cli
