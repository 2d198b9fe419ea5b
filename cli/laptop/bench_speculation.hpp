// larql bench --synthetic-acceptance: how fast answers are whose drafts are right as often as is
// said, without a model whose texts mean something.
//
// The answer is a script, and the drafter knows it: it gets each token right as by dice, which fall
// the same in every run. Passes, drafts, masks and verification are those of every answer.

#pragma once

#include "cli/laptop/bench_report.hpp"
#include "cli/laptop/local_runtime.hpp"

namespace larql::cli {

/// At least this many passes are measured.
inline constexpr std::uint32_t least_speculated_passes = 200;

/// An answer behind `depth` tokens of prompt. `flags` say how many drafts a pass may have.
[[nodiscard]] result<bench_speculation> bench_answers(local_runtime& e,
                                                      const speculation_flags& flags,
                                                      double acceptance, std::uint32_t depth,
                                                      const std::stop_token& stop);

} // namespace larql::cli
