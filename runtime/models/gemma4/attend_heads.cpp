#include "runtime/models/gemma4/attend_heads.hpp"

#include <algorithm>
#include <cstdint>

namespace larql::gemma4 {

namespace {

/// What is visible to all rows; where there is nothing, it lies behind the last row's keys.
key_range common_of(std::span<const key_range> visible) {
  const auto common = key_range{visible.back().first, visible.front().end};
  const auto end = visible.back().end;
  return common.first < common.end ? common : key_range{end, end};
}

constexpr auto numbers_of_line = std::size_t{16};

/// The kernels read queries again and again; what crosses a cache line takes two reads.
float* aligned(float* p) {
  constexpr auto line = numbers_of_line * sizeof(float);
  const auto over = reinterpret_cast<std::uintptr_t>(p) % line;
  return over == 0 ? p : p + (line - over) / sizeof(float);
}

} // namespace

std::size_t attend_scratch(const query_rows& rows, std::size_t dim) noexcept {
  return rows.all_heads() * (2 * dim + rows.keys()) + numbers_of_line;
}

void attend_rows(const kernels::kernel_set& k, kv_format format, std::size_t dim,
                 std::span<const kv_run> runs, std::uint32_t kv_head, const query_rows& rows,
                 float* scratch, float* out) {
  const auto half = format == kv_format::f16;
  const auto count = rows.visible.size();
  const auto oldest = rows.visible.front().first;
  const auto keys = rows.keys();
  const auto row_size = rows.heads * dim;

  // Queries and results of all rows side by side.
  auto* const q = aligned(scratch);
  auto* const mixed = q + rows.all_heads() * dim;
  auto* const scores = mixed + rows.all_heads() * dim;
  for (auto r = std::size_t{0}; r < count; ++r)
    std::copy_n(rows.q + r * rows.stride, row_size, q + r * row_size);

  // Every row has a score of every key, visible to it or not.
  const auto score = half ? k.attention_scores_f16 : k.attention_scores_f32;
  for (const auto& run : runs)
    score(q, rows.all_heads(), dim, run.keys + kv_head * run.head_stride, run.count,
          scores + (run.first - oldest), keys);
  for (auto h = std::size_t{0}; h < rows.all_heads(); ++h) {
    const auto& v = rows.visible[h / rows.heads];
    k.softmax(scores + h * keys + (v.first - oldest), v.end - v.first);
  }

  const auto element = half ? sizeof(std::uint16_t) : sizeof(float);
  const auto mix = half ? k.attention_mix_f16 : k.attention_mix_f32;
  const auto mix_range = [&](key_range range, std::size_t first_row, std::size_t of_rows) {
    for (const auto& run : runs) {
      const auto from = std::max(range.first, run.first);
      const auto to = std::min(range.end, run.first + run.count);
      if (from < to)
        mix(scores + first_row * rows.heads * keys + (from - oldest), keys, of_rows * rows.heads,
            dim, run.values + kv_head * run.head_stride + (from - run.first) * dim * element,
            to - from, mixed + first_row * row_size);
    }
  };
  std::fill_n(mixed, count * row_size, 0.0f);
  const auto common = common_of(rows.visible);
  for (auto r = std::size_t{0}; r < count; ++r)
    mix_range({rows.visible[r].first, std::min(common.first, rows.visible[r].end)}, r, 1);
  mix_range(common, 0, count);
  for (auto r = std::size_t{0}; r < count; ++r)
    mix_range({common.end, rows.visible[r].end}, r, 1);
  for (auto r = std::size_t{0}; r < count; ++r)
    std::copy_n(mixed + r * row_size, row_size, out + r * rows.stride);
}

std::uint32_t heads_of_task(std::size_t rows, std::uint32_t q_heads, std::uint32_t per_kv,
                            unsigned threads) noexcept {
  auto heads = per_kv;
  while (heads % 2 == 0 && rows * (q_heads / heads) < threads)
    heads /= 2;
  return heads;
}

std::size_t rows_of_task(std::size_t rows, std::uint32_t heads, std::uint32_t groups,
                         std::uint32_t keys, unsigned threads) noexcept {
  constexpr auto most_scores = std::size_t{1} << 20; // 4 MB for each thread
  constexpr auto most_heads = std::size_t{64}; // whose queries and sums stay in the fast caches
  constexpr auto most_rows = std::size_t{16};  // which see a little more than each of them does
  constexpr auto tasks_per_thread = std::size_t{4};
  auto out = std::clamp<std::size_t>(most_heads / heads, 1, most_rows);
  while (out > 1 &&
         (rows * groups < tasks_per_thread * threads * out || out * heads * keys > most_scores))
    out /= 2;
  return out;
}

} // namespace larql::gemma4
