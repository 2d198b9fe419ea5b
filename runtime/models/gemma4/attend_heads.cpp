#include "runtime/models/gemma4/attend_heads.hpp"

#include <algorithm>

namespace larql::gemma4 {

void attend_heads(const kernels::kernel_set& k, kv_format format, std::size_t dim,
                  std::span<const kv_run> runs, std::uint32_t kv_head, const float* q,
                  std::uint32_t heads, float* scores, float* out) {
  const auto oldest = runs.front().first;
  const auto keys = runs.back().first + runs.back().count - oldest;
  const auto half = format == kv_format::f16;
  const auto score = half ? k.attention_scores_f16 : k.attention_scores_f32;
  const auto mix = half ? k.attention_mix_f16 : k.attention_mix_f32;
  for (const auto& run : runs)
    score(q, heads, dim, run.keys + kv_head * run.head_stride, run.count,
          scores + (run.first - oldest), keys);
  for (auto h = 0u; h < heads; ++h)
    k.softmax(scores + std::size_t{h} * keys, keys);
  std::fill_n(out, heads * dim, 0.0f);
  for (const auto& run : runs)
    mix(scores + (run.first - oldest), keys, heads, dim, run.values + kv_head * run.head_stride,
        run.count, out);
}

std::uint32_t heads_of_task(std::size_t rows, std::uint32_t q_heads, std::uint32_t per_kv,
                            unsigned threads) noexcept {
  auto heads = per_kv;
  while (heads % 2 == 0 && rows * (q_heads / heads) < threads)
    heads /= 2;
  return heads;
}

} // namespace larql::gemma4
