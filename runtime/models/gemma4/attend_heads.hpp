// What query heads that share a head of keys and values see: scores, softmax, and the mix of
// values. Rows that follow each other in a sequence see nearly the same keys, so that keys and
// values are taken out of memory once for several of them.
//
// Numerics  Scores have scale 1 and no soft-cap; keys are taken in the order of their positions.
//           A row's result does not depend on the rows beside it.
// Threads   Pure.

#pragma once

#include "runtime/kernels/kernel_set.hpp"
#include "runtime/models/gemma4/kv_cache.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace larql::gemma4 {

/// Positions [first, end).
struct key_range {
  std::uint32_t first = 0;
  std::uint32_t end = 0;
};

/// Queries of the same heads in one or several rows.
struct query_rows {
  const float* q = nullptr;           ///< of the first row: [heads][dim]
  std::size_t stride = 0;             ///< numbers from there to the next row's
  std::uint32_t heads = 0;            ///< of each row
  std::span<const key_range> visible; ///< to each row; both ends ascend from row to row

  [[nodiscard]] std::uint32_t keys() const noexcept {
    return visible.back().end - visible.front().first;
  }
  [[nodiscard]] std::size_t all_heads() const noexcept { return heads * visible.size(); }
};

/// Numbers of scratch memory.
[[nodiscard]] std::size_t attend_scratch(const query_rows& rows, std::size_t dim) noexcept;

/// `out` is laid out as the queries are.
/// @pre runs hold what is visible to any row, without a gap in ascending order, and no more
void attend_rows(const kernels::kernel_set& k, kv_format format, std::size_t dim,
                 std::span<const kv_run> runs, std::uint32_t kv_head, const query_rows& rows,
                 float* scratch, float* out);

/// Query heads of one task: all of a group of `per_kv`, or a part of it where there are fewer tasks
/// than threads. Heads are independent.
[[nodiscard]] std::uint32_t heads_of_task(std::size_t rows, std::uint32_t q_heads,
                                          std::uint32_t per_kv, unsigned threads) noexcept;

/// Rows of one task, which share what they read of keys and values: not so many that threads have
/// less to do than others, nor that the scores of so many keys take much memory.
[[nodiscard]] std::size_t rows_of_task(std::size_t rows, std::uint32_t heads, std::uint32_t groups,
                                       std::uint32_t keys, unsigned threads) noexcept;

} // namespace larql::gemma4
