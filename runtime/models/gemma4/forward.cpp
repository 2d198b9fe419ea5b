#include "runtime/models/gemma4/forward.hpp"

#include "runtime/base/check.hpp"
#include "runtime/quant/blocks.hpp"

#include <algorithm>
#include <atomic>

namespace larql::gemma4 {

namespace {

constexpr std::size_t softcap_grain = 8192; // elements; a multiple of a vector

} // namespace

forward::forward(const model& m, kernels::compute compute, experts::expert_port& experts)
    : model_(m),
      compute_(compute),
      experts_(experts),
      rope_sliding_(m.config, true),
      rope_full_(m.config, false),
      attention_(compute, m.config),
      dense_(compute),
      router_(compute, m.config) {}

result<void> forward::run(std::span<const std::uint32_t> tokens, std::uint32_t first,
                          kv_cache& cache, const std::function<bool()>& cancelled) {
  const auto part = sequence_part{tokens, first, &cache};
  return run({&part, 1}, cancelled);
}

result<void> forward::run(std::span<const sequence_part> parts,
                          const std::function<bool()>& cancelled) {
  row_positions_.clear();
  for (const auto& p : parts) {
    LARQL_CHECK(!p.tokens.empty() && p.tokens.size() <= p.cache->max_chunk());
    LARQL_CHECK(p.first + p.tokens.size() <= p.cache->max_context());
    for (auto i = 0u; i < p.tokens.size(); ++i)
      row_positions_.push_back({p.first + i, p.cache});
  }
  LARQL_CHECK(!row_positions_.empty());
  rows_ = static_cast<std::uint32_t>(row_positions_.size());
  const auto n = rows_ * std::size_t{model_.config.hidden};
  for (auto* buffer : {&x_, &normed_, &branch_, &moe_in_, &moe_out_})
    buffer->resize(n);
  rope_sliding_.set_positions(row_positions_);
  rope_full_.set_positions(row_positions_);
  embed(parts);
  for (auto l = 0u; l < model_.config.layers; ++l) {
    if (cancelled && cancelled())
      return fail(errc::cancelled, "stopped at layer {}", l);
    LARQL_TRY_VOID(layer(l));
    if (on_layer)
      on_layer(l, x_);
  }
  return check_finite(model_.config.layers - 1); // logits of NaN would be anything
}

result<void> forward::check_finite(std::uint32_t l) const {
  const auto hidden = std::size_t{model_.config.hidden};
  for (auto r = std::size_t{0}; r < rows_; ++r)
    if (!compute_.k.all_finite(x_.data() + r * hidden, hidden))
      return not_finite(fmt::format("layer {}: activations of row {}", l, r));
  return {};
}

failure forward::not_finite(const std::string& what) const {
  if (auto ok = model_.check_matrices(compute_); !ok)
    return std::move(ok).error();
  return fail(errc::corrupt, "{}: {} are not finite", model_.dir.string(), what);
}

void forward::embed(std::span<const sequence_part> parts) {
  const auto& e = model_.weights.embeddings;
  const auto hidden = std::size_t{model_.config.hidden};
  embedding_.resize(e.cols); // stored width, which may be padded
  auto out = x_.begin();
  for (const auto& part : parts)
    for (const auto token : part.tokens) {
      LARQL_CHECK(token < e.rows);
      quant::dequantize_row(e.format, e.row(token), e.cols, embedding_.data());
      out = std::copy_n(embedding_.begin(), hidden, out);
    }
  compute_.k.scale(x_.data(), model_.config.embed_scale, x_.size());
}

result<void> forward::layer(std::uint32_t l) {
  const auto& config = model_.config;
  const auto& t = model_.weights.layers[l];
  const auto& k = compute_.k;
  auto clock = phase_clock{};

  // Attention: x += norm(attend(norm(x)))
  norm_rows(x_.data(), t.input_norm, normed_.data());
  if (!attention_.run(l, t, config.sliding[l] ? rope_sliding_ : rope_full_, row_positions_,
                      normed_.data(), branch_.data()))
    return not_finite(fmt::format("layer {}: queries, keys or values", l));
  norm_rows(branch_.data(), t.post_attention_norm, branch_.data());
  k.add(x_.data(), branch_.data(), x_.size());
  LARQL_TRY_VOID(check_finite(l));
  clock.lap(times_.attention);

  // Experts start first, so that the dense branch hides their latency.
  if (!router_.run(t, rows_, x_.data()))
    return not_finite(fmt::format("layer {}: logits of the router", l));
  clock.lap(times_.router);
  norm_rows(x_.data(), t.pre_expert_norm, moe_in_.data());
  LARQL_TRY_VOID(experts_.start(
      {l, rows_, config.hidden, config.top_k, moe_in_, router_.ids(), router_.weights()}));
  clock.lap(times_.experts);
  norm_rows(x_.data(), t.pre_dense_norm, normed_.data());
  const auto dense_is_finite = dense_.run(t, rows_, normed_.data(), branch_.data());
  norm_rows(branch_.data(), t.post_dense_norm, branch_.data());
  clock.lap(times_.dense);
  LARQL_TRY_VOID(experts_.wait(moe_out_)); // also after a failure: they are on their way
  if (!dense_is_finite)
    return not_finite(fmt::format("layer {}: products of the dense branch", l));
  clock.lap(times_.experts);
  norm_rows(moe_out_.data(), t.post_expert_norm, moe_out_.data());

  // x = (x + norm(dense + experts)) * layer_scalar
  k.add(branch_.data(), moe_out_.data(), branch_.size());
  norm_rows(branch_.data(), t.post_ffn_norm, branch_.data());
  k.add(x_.data(), branch_.data(), x_.size());
  k.scale(x_.data(), t.layer_scalar, x_.size());
  clock.lap(times_.combine);
  return {};
}

void forward::norm_rows(const float* in, std::span<const float> weight, float* out) {
  const auto hidden = std::size_t{model_.config.hidden};
  compute_.pool.parallel_for(rows_, 8, [&](std::size_t begin, std::size_t end, unsigned) {
    for (auto r = begin; r < end; ++r)
      compute_.k.rms_norm(in + r * hidden, weight.data(), hidden, model_.config.rms_eps,
                          out + r * hidden);
  });
}

result<std::span<const float>> forward::logits(std::uint32_t begin, std::uint32_t end) {
  LARQL_CHECK(begin < end && end <= rows_);
  const auto hidden = std::size_t{model_.config.hidden};
  return logits_of({x_.data() + begin * hidden, (end - begin) * hidden});
}

std::span<const float> forward::hidden_row(std::uint32_t row) const {
  LARQL_CHECK(row < rows_);
  const auto hidden = std::size_t{model_.config.hidden};
  return {x_.data() + row * hidden, hidden};
}

result<std::span<const float>> forward::logits_of(std::span<const float> hidden_rows) {
  const auto& config = model_.config;
  const auto hidden = std::size_t{config.hidden};
  const auto n = static_cast<std::uint32_t>(hidden_rows.size() / hidden);
  auto clock = phase_clock{};
  normed_.resize(std::max(normed_.size(), hidden_rows.size()));
  logits_.resize(std::size_t{n} * config.vocab);
  for (auto r = std::size_t{0}; r < n; ++r)
    compute_.k.rms_norm(hidden_rows.data() + r * hidden, model_.weights.final_norm.data(), hidden,
                        config.rms_eps, normed_.data() + r * hidden);
  head_input_.bind(normed_.data(), n, config.hidden, hidden);
  const auto head = kernels::linear_job{model_.weights.head, logits_.data(), config.vocab};
  kernels::matmul(compute_, head_input_, {&head, 1});
  auto finite = std::atomic<bool>{true};
  compute_.pool.parallel_for(
      logits_.size(), softcap_grain, [&](std::size_t begin, std::size_t end, unsigned) {
        if (!compute_.k.all_finite(logits_.data() + begin, end - begin))
          finite.store(false, std::memory_order_relaxed);
        if (config.softcap > 0)
          compute_.k.softcap(logits_.data() + begin, config.softcap, end - begin);
      });
  clock.lap(times_.head);
  if (!finite.load())
    return not_finite("logits");
  return std::span<const float>{logits_};
}

} // namespace larql::gemma4
