// The report after an answer: speed, and what the network cost.

#pragma once

#include "actors/laptop/remote_experts.hpp"
#include "runtime/generate/answer.hpp"

namespace larql::cli {

/// Prints to stderr. `remote` is null when all experts are local.
void print_report(const generate::answer_stats& stats, const actors::remote_experts* remote);

/// Of the decoded tokens behind the first; 0 without any.
[[nodiscard]] double tokens_per_second(const generate::answer_stats& stats);

/// The value below which `share` (0..1) of the numbers lie; 0 for none.
[[nodiscard]] float quantile(std::vector<float> numbers, double share);

} // namespace larql::cli
