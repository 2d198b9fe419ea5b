// What query heads that share a head of keys and values see: scores, softmax, and the mix of
// values.
//
// Shapes    q, out: [heads][dim]; scores: scratch of [heads][keys of all runs].
// Numerics  Scores have scale 1 and no soft-cap; keys are taken in the order of their positions.
// Threads   Pure.

#pragma once

#include "runtime/kernels/kernel_set.hpp"
#include "runtime/models/gemma4/kv_cache.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace larql::gemma4 {

/// @pre runs are not empty, in ascending order and without a gap
void attend_heads(const kernels::kernel_set& k, kv_format format, std::size_t dim,
                  std::span<const kv_run> runs, std::uint32_t kv_head, const float* q,
                  std::uint32_t heads, float* scores, float* out);

/// Query heads of one task: all of a group of `per_kv`, or a part of it where there are fewer tasks
/// than threads. Heads are independent.
[[nodiscard]] std::uint32_t heads_of_task(std::size_t rows, std::uint32_t q_heads,
                                          std::uint32_t per_kv, unsigned threads) noexcept;

} // namespace larql::gemma4
