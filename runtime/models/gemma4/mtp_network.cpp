#include "runtime/models/gemma4/mtp_network.hpp"

#include "runtime/base/check.hpp"
#include "runtime/models/gemma4/attend_heads.hpp"
#include "runtime/quant/blocks.hpp"

#include <algorithm>

namespace larql::gemma4 {

namespace {

// The layer whose keys and values drafters look at. @pre there is one
std::uint32_t last_layer(const vindex::model_config& c, bool sliding) {
  for (auto l = c.layers; l-- > 0;)
    if (c.sliding[l] == sliding)
      return l;
  LARQL_CHECK(false && "a drafter that does not fit the model");
  return 0;
}

bool has_kind(const vindex::drafter_config& c, bool sliding) {
  return std::find(c.sliding.begin(), c.sliding.end(), sliding) != c.sliding.end();
}

} // namespace

mtp_network::mtp_network(const model& target, const vindex::drafter_config& config,
                         const vindex::drafter_weights& weights, kernels::compute compute)
    : target_(target),
      config_(config),
      weights_(weights),
      compute_(compute),
      dense_(compute, quant::activation_function::gelu),
      sliding_{target.config.kv_heads, target.config.head_dim, rope_table{target.config, true}, {}},
      full_{target.config.global_kv_heads,
            target.config.global_head_dim,
            rope_table{target.config, false},
            {}},
      joined_(std::size_t{2} * target.config.hidden),
      x_(config.hidden),
      normed_(config.hidden),
      branch_(config.hidden),
      logits_(target.config.vocab) {}

// The position of the last token is not in the cache: of the window, all but its own place are
// seen.
void mtp_network::begin(const kv_cache& cache, std::uint32_t position,
                        std::span<const float> hidden_row) {
  const auto& c = target_.config;
  LARQL_CHECK(position != 0 && hidden_row.size() == c.hidden);
  format_ = cache.format();
  const auto look = [&](view& v, bool sliding) {
    v.runs.clear();
    if (!has_kind(config_, sliding))
      return;
    const auto visible = sliding ? std::min(c.window, position + 1) : position + 1;
    cache.read(last_layer(c, sliding), position + 1 - visible, position, v.runs);
    v.rope.set_positions(position, 1);
  };
  look(sliding_, true);
  look(full_, false);
  compute_.k.rms_norm(hidden_row.data(), target_.weights.final_norm.data(), c.hidden, c.rms_eps,
                      joined_.data() + c.hidden);
}

void mtp_network::multiply(const float* in, std::uint32_t cols, const quant::matrix_view& w,
                           float* out) {
  input_.bind(in, 1, cols, cols);
  const auto job = kernels::linear_job{w, out, w.rows};
  kernels::matmul(compute_, input_, {&job, 1});
}

void mtp_network::project_inputs(std::uint32_t token) {
  const auto& e = target_.weights.embeddings;
  const auto hidden = std::size_t{target_.config.hidden};
  LARQL_CHECK(token < e.rows);
  embedding_.resize(e.cols);
  quant::dequantize_row(e.format, e.row(token), e.cols, embedding_.data());
  std::copy_n(embedding_.begin(), hidden, joined_.begin());
  compute_.k.scale(joined_.data(), target_.config.embed_scale, hidden);
  multiply(joined_.data(), static_cast<std::uint32_t>(joined_.size()), weights_.pre_projection,
           x_.data());
}

void mtp_network::attend(std::uint32_t l) {
  const auto& v = view_of(l);
  const auto per_kv = config_.q_heads / v.kv_heads;
  const auto threads = compute_.pool.threads();
  const auto heads = heads_of_task(1, config_.q_heads, per_kv, threads);
  const auto visible = key_range{v.runs.front().first, v.runs.back().first + v.runs.back().count};
  const auto rows = query_rows{q_.data(), 0, heads, {&visible, 1}};
  const auto scratch = attend_scratch(rows, v.dim);
  scores_.resize(std::max(scores_.size(), scratch * threads));
  compute_.pool.parallel_for(
      config_.q_heads / heads, 1, [&](std::size_t begin, std::size_t end, unsigned worker) {
        for (auto task = begin; task < end; ++task) {
          const auto head = static_cast<std::uint32_t>(task) * heads;
          auto part = rows;
          part.q += head * v.dim;
          attend_rows(compute_.k, format_, v.dim, v.runs, head / per_kv, part,
                      scores_.data() + worker * scratch, mixed_.data() + head * v.dim);
        }
      });
}

// x += norm(branch)
void mtp_network::add_normed(std::span<const float> weight) {
  compute_.k.rms_norm(branch_.data(), weight.data(), config_.hidden, config_.rms_eps,
                      branch_.data());
  compute_.k.add(x_.data(), branch_.data(), config_.hidden);
}

bool mtp_network::run_layer(std::uint32_t l) {
  const auto& t = weights_.layers[l];
  const auto& k = compute_.k;
  const auto& v = view_of(l);
  q_.resize(config_.q_heads * v.dim);
  mixed_.resize(q_.size());
  k.rms_norm(x_.data(), t.input_norm.data(), config_.hidden, config_.rms_eps, normed_.data());
  multiply(normed_.data(), config_.hidden, t.q, q_.data());
  for (auto h = 0u; h < config_.q_heads; ++h) {
    auto* q = q_.data() + h * v.dim;
    k.rms_norm(q, t.q_norm.data(), v.dim, config_.rms_eps, q);
    k.rope(q, v.rope.cos(0), v.rope.sin(0), v.dim / 2, v.rope.pairs());
  }
  attend(l);
  multiply(mixed_.data(), static_cast<std::uint32_t>(mixed_.size()), t.o, branch_.data());
  add_normed(t.post_attention_norm);
  k.rms_norm(x_.data(), t.pre_dense_norm.data(), config_.hidden, config_.rms_eps, normed_.data());
  if (!dense_.run(t, 1, normed_.data(), branch_.data()))
    return false;
  add_normed(t.post_ffn_norm);
  k.scale(x_.data(), t.layer_scalar, config_.hidden);
  return true;
}

std::optional<std::span<const float>> mtp_network::step(std::uint32_t token) {
  const auto hidden = target_.config.hidden;
  project_inputs(token);
  for (auto l = 0u; l < config_.layers(); ++l)
    if (!run_layer(l))
      return std::nullopt;
  compute_.k.rms_norm(x_.data(), weights_.final_norm.data(), config_.hidden, config_.rms_eps,
                      normed_.data());
  input_.bind(normed_.data(), 1, config_.hidden, config_.hidden);
  const kernels::linear_job both[] = {
      {weights_.head, logits_.data(), logits_.size()},
      {weights_.post_projection, joined_.data() + hidden, hidden}}; // the next step's hidden row
  kernels::matmul(compute_, input_, both);
  if (!compute_.k.all_finite(logits_.data(), logits_.size()) ||
      !compute_.k.all_finite(joined_.data() + hidden, hidden))
    return std::nullopt;
  return std::span<const float>{logits_};
}

} // namespace larql::gemma4
