// The report after an answer: speed, and what the network cost.

#pragma once

#include "runtime/generate/answer.hpp"

namespace larql::cli {

/// Prints to stderr.
void print_report(const generate::answer_stats& stats);

/// Of the decoded tokens behind the first; 0 without any.
[[nodiscard]] double tokens_per_second(const generate::answer_stats& stats);

/// The value below which `share` (0..1) of the numbers lie; 0 for none.
[[nodiscard]] float quantile(std::vector<float> numbers, double share);

} // namespace larql::cli
