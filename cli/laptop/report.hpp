// The report after an answer: speed, and what the network cost.

#pragma once

#include "runtime/generate/answer.hpp"

#include <string>
#include <vector>

namespace larql::cli {

/// Prints to stderr.
void print_report(const generate::answer_stats& stats);

/// "12 tokens, 23.4 tokens/s": of those behind the first; left out if there is only one.
[[nodiscard]] std::string speed_text(const generate::answer_stats& stats);

/// The value below which `share` (0..1) of the numbers lie; 0 for none.
[[nodiscard]] float quantile(std::vector<float> numbers, double share);

} // namespace larql::cli
