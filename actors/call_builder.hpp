// Encodes one node's part of a layer job.
//
// Threads   Pure functions.

#pragma once

#include "actors/layer_job.hpp"

#include <span>
#include <vector>

namespace larql::actors {

/// The distinct rows that picks name, ascending.
[[nodiscard]] std::vector<std::uint32_t> rows_of(std::span<const experts::pick> picks);

/// A whole frame: a wire::Call with the given rows of the job, renumbered from 0.
/// @pre picks are sorted by expert and name only `rows`
[[nodiscard]] std::vector<char> build_call(std::uint64_t id, const layer_job& job,
                                           std::span<const experts::pick> picks,
                                           std::span<const std::uint32_t> rows);

} // namespace larql::actors
