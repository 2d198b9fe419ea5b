#include "runtime/models/gemma4/model.hpp"

#include "runtime/quant/blocks.hpp"
#include "runtime/vindex/format.hpp"

#include <atomic>
#include <cmath>

namespace larql::gemma4 {

namespace {

using kernels::compute;
using quant::matrix_view;
using vindex::dense_weights;

result<void> check_matrix(const compute& c, const dense_weights& all, const matrix_view& w,
                          std::string_view what) {
  auto bad_row = std::atomic<std::int64_t>{-1};
  c.pool.parallel_for(w.rows, kernels::row_grain(w), [&](auto begin, auto end, unsigned) {
    for (auto r = begin; r < end; ++r)
      if (!quant::row_is_finite(w.format, w.row(r), w.cols))
        bad_row.store(static_cast<std::int64_t>(r), std::memory_order_relaxed);
  });
  if (bad_row.load() < 0)
    return {};
  return fail(errc::corrupt, "{}: {}: row {} holds a number that is NaN or infinite",
              all.file_of(w.data).string(), what, bad_row.load());
}

result<void> check_vector(std::span<const float> v, std::string_view what) {
  for (auto i = std::size_t{0}; i < v.size(); ++i)
    if (!std::isfinite(v[i]))
      return fail(errc::corrupt, "{}: element {} is {}, expected a finite number", what, i, v[i]);
  return {};
}

result<void> check_layer_matrices(const compute& c, const dense_weights& all, std::uint32_t l) {
  const auto& t = all.layers[l];
  const std::pair<const char*, const matrix_view*> matrices[] = {
      {"attention q", &t.q},   {"attention k", &t.k},   {"attention v", &t.v},
      {"attention o", &t.o},   {"dense gate", &t.gate}, {"dense up", &t.up},
      {"dense down", &t.down}, {"router", &t.router}};
  for (const auto& [name, w] : matrices)
    LARQL_TRY_VOID(check_matrix(c, all, *w, fmt::format("layer {}: {}", l, name)));
  return {};
}

result<void> check_layer_vectors(const vindex::layer_tensors& t) {
  const std::pair<const char*, std::span<const float>> vectors[] = {
      {"input_layernorm", t.input_norm},
      {"post_attention_layernorm", t.post_attention_norm},
      {"pre_feedforward_layernorm", t.pre_dense_norm},
      {"post_feedforward_layernorm_1", t.post_dense_norm},
      {"pre_feedforward_layernorm_2", t.pre_expert_norm},
      {"post_feedforward_layernorm_2", t.post_expert_norm},
      {"post_feedforward_layernorm", t.post_ffn_norm},
      {"q_norm", t.q_norm},
      {"k_norm", t.k_norm},
      {"router.scale", t.router_scale},
      {"router.per_expert_scale", t.per_expert_scale},
      {"layer_scalar", {&t.layer_scalar, 1}}};
  for (const auto& [name, v] : vectors)
    LARQL_TRY_VOID(check_vector(v, name));
  return {};
}

std::uint64_t bytes_of(const matrix_view& w) {
  return w.rows * w.stride_bytes();
}

} // namespace

result<model> model::load(const std::filesystem::path& dir) {
  auto out = model{};
  out.dir = dir;
  LARQL_TRY(out.config, vindex::read_index(dir));
  LARQL_TRY(out.weights, vindex::dense_weights::open(dir, out.config));
  const auto file = (dir / vindex::norms_file).string(); // that of every vector
  for (auto l = 0u; l < out.config.layers; ++l)
    if (auto ok = check_layer_vectors(out.weights.layers[l]); !ok)
      return std::move(ok).error().in(fmt::format("{}: layer {}", file, l));
  if (auto ok = check_vector(out.weights.final_norm, "norm"); !ok)
    return std::move(ok).error().in(file);
  return out;
}

result<void> model::check_matrices(const compute& c) const {
  for (auto l = 0u; l < config.layers; ++l)
    LARQL_TRY_VOID(check_layer_matrices(c, weights, l));
  LARQL_TRY_VOID(check_matrix(c, weights, weights.embeddings, "embeddings"));
  if (weights.head.data != weights.embeddings.data)
    LARQL_TRY_VOID(check_matrix(c, weights, weights.head, "output head"));
  return {};
}

std::uint64_t dense_bytes_per_token(const vindex::dense_weights& weights) {
  auto sum = bytes_of(weights.head);
  for (const auto& t : weights.layers) {
    for (const auto* w : {&t.q, &t.k, &t.o, &t.router, &t.gate, &t.up, &t.down})
      sum += bytes_of(*w);
    if (t.v.data != t.k.data)
      sum += bytes_of(t.v);
  }
  return sum;
}

} // namespace larql::gemma4
