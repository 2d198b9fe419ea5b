// The bounds of what `larql bench` has measured over a link: from its bytes, its computing, and the
// link as it was measured.

#pragma once

#include "cli/laptop/bench_report.hpp"
#include "cli/laptop/wan_bound.hpp"

namespace larql::cli {

/// The link for a bound: with the mean of the latest node's jitter, without stalls.
[[nodiscard]] link_numbers numbers_of(const bench_link_facts& link);

/// What a measured prompt, or the median pass, cost. @pre experts are on nodes
[[nodiscard]] row_costs costs_of(const bench_prefill& p);
[[nodiscard]] row_costs costs_of(const bench_decode& d);

/// Tokens per second that nothing could exceed, over `link`.
[[nodiscard]] double bound_of(const bench_prefill& p, const bench_link_facts& link);
[[nodiscard]] double bound_of(const bench_decode& d, const bench_link_facts& link);

} // namespace larql::cli
