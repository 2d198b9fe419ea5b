#include "runtime/models/gemma4/attention.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace larql::gemma4 {

using kernels::linear_job;
using vindex::layer_tensors;

bool attention::run(std::uint32_t layer, const layer_tensors& t, const rope_table& rope,
                    const pass_rows& rows, const float* in, float* out) {
  const auto count = rows.size();
  project(layer, t, count, in);
  if (!normalise_and_store(layer, t, rope, rows))
    return false;
  attend(layer, rows);
  mixed_input_.bind(mixed_.data(), count, t.q.rows, t.q.rows);
  const auto o = linear_job{t.o, out, config_.hidden};
  kernels::matmul(compute_, mixed_input_, {&o, 1});
  return true;
}

void attention::project(std::uint32_t, const layer_tensors& t, std::uint32_t rows,
                        const float* in) {
  q_.resize(std::size_t{rows} * t.q.rows);
  k_.resize(std::size_t{rows} * t.k.rows);
  v_.resize(std::size_t{rows} * t.v.rows);
  input_.bind(in, rows, config_.hidden, config_.hidden);
  const linear_job all[] = {
      {t.q, q_.data(), t.q.rows}, {t.k, k_.data(), t.k.rows}, {t.v, v_.data(), t.v.rows}};
  const auto v_is_k = t.v.data == t.k.data;
  kernels::matmul(compute_, input_, std::span{all}.first(v_is_k ? 2 : 3));
  if (v_is_k) // the raw projection, before norm and rotation
    std::copy(k_.begin(), k_.end(), v_.begin());
}

// Tasks are rows: each norms and rotates its own heads and writes its own cache slots.
bool attention::normalise_and_store(std::uint32_t layer, const layer_tensors& t,
                                    const rope_table& rope, const pass_rows& rows) {
  const auto dim = std::size_t{config_.head_dim_of(layer)};
  const auto kv_heads = config_.kv_heads_of(layer);
  const auto& k = compute_.k;
  const auto eps = config_.rms_eps;
  auto finite = std::atomic<bool>{true};
  compute_.pool.parallel_for(rows.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (auto r = begin; r < end; ++r) {
      const auto half = rows.rows()[r].cache->format() == kv_format::f16;
      const auto* cos = rope.cos(r);
      const auto* sin = rope.sin(r);
      auto squares = 0.0f; // not finite if anything that is normed is not
      for (auto h = 0u; h < config_.q_heads; ++h) {
        auto* x = q_.data() + r * t.q.rows + h * dim;
        squares += k.rms_norm(x, t.q_norm.data(), dim, eps, x);
        k.rope(x, cos, sin, dim / 2, rope.pairs());
      }
      for (auto h = 0u; h < kv_heads; ++h) {
        auto* key = k_.data() + r * t.k.rows + h * dim;
        auto* value = v_.data() + r * t.v.rows + h * dim;
        squares += k.rms_norm(key, t.k_norm.data(), dim, eps, key);
        k.rope(key, cos, sin, dim / 2, rope.pairs());
        squares += k.rms_norm(value, nullptr, dim, eps, value);
        const auto slot = rows.slot_of(r, layer, h);
        if (half) {
          k.store_f16(key, dim, reinterpret_cast<std::uint16_t*>(slot.key));
          k.store_f16(value, dim, reinterpret_cast<std::uint16_t*>(slot.value));
        } else {
          std::copy_n(key, dim, reinterpret_cast<float*>(slot.key));
          std::copy_n(value, dim, reinterpret_cast<float*>(slot.value));
        }
      }
      if (!std::isfinite(squares))
        finite.store(false, std::memory_order_relaxed);
    }
  });
  return finite.load();
}

// Rows that follow each other in a sequence, up to `most` together.
void attention::divide(std::uint32_t layer, const pass_rows& pass, std::size_t most) {
  const auto rows = pass.rows();
  blocks_.clear();
  visible_.clear();
  for (auto r = std::size_t{0}; r < rows.size(); ++r) {
    const auto& row = rows[r];
    visible_.push_back({row.position + 1 - visible(layer, row.position), row.position + 1});
    const auto goes_on = r != 0 && blocks_.back().count < most && !row.is_draft() &&
                         !rows[r - 1].is_draft() && row.cache == rows[r - 1].cache &&
                         row.position == rows[r - 1].position + 1;
    if (goes_on)
      ++blocks_.back().count;
    else
      blocks_.push_back({r, 1});
  }
}

// Tasks are (group of query heads that share a KV head, block of rows): blocks that follow each
// other find the head's keys and values in the caches.
void attention::attend(std::uint32_t layer, const pass_rows& pass) {
  const auto rows = pass.rows();
  const auto dim = std::size_t{config_.head_dim_of(layer)};
  const auto width = config_.q_heads * dim;
  const auto per_kv = config_.q_heads / config_.kv_heads_of(layer);
  const auto threads = compute_.pool.threads();
  const auto heads = heads_of_task(rows.size(), config_.q_heads, per_kv, threads);
  const auto groups = config_.q_heads / heads;
  auto most_keys = 0u;
  for (const auto& row : rows)
    most_keys = std::max(most_keys, visible(layer, row.position));
  divide(layer, pass, rows_of_task(rows.size(), heads, groups, most_keys, threads));
  const auto queries_of = [&](const row_block& b) {
    return query_rows{q_.data() + b.first * width, width, heads,
                      std::span{visible_}.subspan(b.first, b.count)};
  };
  auto scratch = std::size_t{0};
  for (const auto& b : blocks_)
    scratch = std::max(scratch, attend_scratch(queries_of(b), dim));
  if (scratch_.size() < scratch * threads)
    scratch_.resize(scratch * threads);
  runs_.resize(threads);
  mixed_.resize(rows.size() * width);
  compute_.pool.parallel_for(
      blocks_.size() * groups, 1, [&](std::size_t begin, std::size_t end, unsigned worker) {
        for (auto task = begin; task < end; ++task) {
          const auto& b = blocks_[task % blocks_.size()];
          const auto head = static_cast<std::uint32_t>(task / blocks_.size()) * heads;
          auto queries = queries_of(b);
          queries.q += head * dim;
          auto& runs = runs_[worker];
          pass.read(b.first + b.count - 1, layer, queries.visible.front().first, runs);
          attend_rows(compute_.k, rows[b.first].cache->format(), dim, runs, head / per_kv, queries,
                      scratch_.data() + worker * scratch,
                      mixed_.data() + b.first * width + head * dim);
        }
      });
}

std::uint32_t attention::visible(std::uint32_t layer, std::uint32_t position) const {
  return config_.sliding[layer] ? std::min(config_.window, position + 1) : position + 1;
}

} // namespace larql::gemma4
