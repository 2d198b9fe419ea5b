#include "runtime/models/gemma4/forward.hpp"

#include "runtime/base/check.hpp"
#include "runtime/quant/blocks.hpp"

#include <algorithm>
#include <atomic>

namespace larql::gemma4 {

namespace {

constexpr std::size_t softcap_grain = 8192; // elements; a multiple of a vector

} // namespace

forward::pass::pass(const vindex::model_config& config)
    : hidden_(config.hidden), rope_sliding_(config, true), rope_full_(config, false) {}

std::span<const float> forward::pass::hidden_row(std::uint32_t row) const {
  LARQL_CHECK(row < rows_.size());
  return std::span{x_}.subspan(std::size_t{row} * hidden_, hidden_);
}

forward::forward(const model& m, kernels::compute compute, experts::expert_port& experts,
                 std::uint32_t dispatches)
    : model_(m),
      compute_(compute),
      experts_(experts),
      dispatches_(std::min(dispatches, m.config.layers)),
      attention_(compute, m.config),
      dense_(compute, m.config.activation),
      router_(compute, m.config) {}

void forward::begin(pass& p, std::span<const sequence_part> parts) {
  p.cancel();
  p.rows_.set(parts);
  p.layer_ = 0;
  p.stats_ = {};
  p.makers_ = 0;
  p.dispatches_ = dispatches_;
  if (dispatches_ != 0)
    p.rounds_.begin(model_.config.layers, model_.config.hidden);
  p.entry_.clear();
  const auto n = std::size_t{p.rows()} * model_.config.hidden;
  for (auto* buffer : {&p.x_, &p.branch_, &p.moe_out_})
    buffer->resize(n);
  p.rope_sliding_.set_positions(p.rows_.rows());
  p.rope_full_.set_positions(p.rows_.rows());
  embed(p, parts);
}

void forward::leave_out(pass& p, std::size_t first, std::size_t count) {
  LARQL_CHECK(!p.is_waiting());
  p.rows_.remove(first, count);
  const auto hidden = std::size_t{model_.config.hidden};
  for (auto* buffer : {&p.x_, &p.entry_}) {
    if (buffer->empty())
      continue;
    const auto from = buffer->begin() + static_cast<std::ptrdiff_t>(first * hidden);
    buffer->erase(from, from + static_cast<std::ptrdiff_t>(count * hidden));
  }
  if (p.dispatches_ != 0)
    p.rounds_.remove_rows(first, count);
  for (auto* buffer : {&p.branch_, &p.moe_out_})
    buffer->resize(p.x_.size());
  if (p.rows() == 0)
    return;
  p.rope_sliding_.set_positions(p.rows_.rows());
  p.rope_full_.set_positions(p.rows_.rows());
}

result<void> forward::run(pass& p, std::span<const sequence_part> parts,
                          const std::stop_token& stop) {
  begin(p, parts);
  auto done = run_layers(p, stop);
  if (!done)
    p.cancel();
  return done;
}

result<void> forward::run_layers(pass& p, const std::stop_token& stop) {
  while (!is_done(p)) {
    LARQL_TRY_VOID(start_layer(p, stop));
    LARQL_TRY_VOID(finish_layer(p, stop));
  }
  return {};
}

result<void> forward::check_finite(const pass& p) const {
  const auto hidden = std::size_t{model_.config.hidden};
  for (auto r = std::size_t{0}; r < p.rows(); ++r)
    if (!compute_.k.all_finite(p.x_.data() + r * hidden, hidden))
      return not_finite(fmt::format("layer {}: activations of row {}", p.layer_, r));
  return {};
}

failure forward::not_finite(const std::string& what) const {
  if (auto ok = model_.check_matrices(compute_); !ok)
    return std::move(ok).error();
  return fail(errc::corrupt, "{}: {} are not finite", model_.dir.string(), what);
}

void forward::embed(pass& p, std::span<const sequence_part> parts) {
  const auto& e = model_.weights.embeddings;
  const auto hidden = std::size_t{model_.config.hidden};
  embedding_.resize(e.cols); // stored width, which may be padded
  auto out = p.x_.begin();
  for (const auto& part : parts)
    for (const auto token : part.tokens) {
      LARQL_CHECK(token < e.rows);
      quant::dequantize_row(e.format, e.row(token), e.cols, embedding_.data());
      out = std::copy_n(embedding_.begin(), hidden, out);
    }
  compute_.k.scale(p.x_.data(), model_.config.embed_scale, p.x_.size());
}

// x += norm(attend(norm(x))); then the experts start, so that the dense branch hides their latency.
result<void> forward::start_layer(pass& p, const std::stop_token& stop) {
  const auto l = p.layer_;
  LARQL_CHECK(!is_done(p) && !p.is_waiting());
  if (stop.stop_requested())
    return fail(errc::cancelled, "stopped at layer {}", l);
  const auto& config = model_.config;
  const auto& t = model_.weights.layers[l];
  const auto rows = p.rows();
  auto& x = p.x_;
  auto& branch = p.branch_;
  auto& times = p.stats_.times;
  auto clock = phase_clock{};
  normed_.resize(std::max(normed_.size(), x.size()));
  if (p.dispatches_ != 0 && l == p.rounds_.round())
    p.entry_ = x;

  norm_rows(rows, x.data(), t.input_norm, normed_.data());
  if (!attention_.run(l, t, config.sliding[l] ? p.rope_sliding_ : p.rope_full_, p.rows_,
                      normed_.data(), branch.data()))
    return not_finite(fmt::format("layer {}: queries, keys or values", l));
  norm_rows(rows, branch.data(), t.post_attention_norm, branch.data());
  compute_.k.add(x.data(), branch.data(), x.size());
  LARQL_TRY_VOID(check_finite(p));
  clock.lap(times.attention);

  if (!router_.run(t, rows, x.data()))
    return not_finite(fmt::format("layer {}: logits of the router", l));
  clock.lap(times.router);
  experts::assignments_by_expert(router_.ids(), router_.weights(), config.top_k, assignments_);
  norm_rows(rows, x.data(), t.pre_expert_norm, normed_.data());
  LARQL_TRY_VOID(ask_experts(p));
  clock.lap(times.experts);

  norm_rows(rows, x.data(), t.pre_dense_norm, normed_.data());
  const auto dense_is_finite = dense_.run(t, rows, normed_.data(), branch.data());
  norm_rows(rows, branch.data(), t.post_dense_norm, branch.data());
  clock.lap(times.dense);
  if (!dense_is_finite)
    return not_finite(fmt::format("layer {}: products of the dense branch", l));
  return {};
}

// The experts get normed_; the dense branch uses its memory next.
result<void> forward::ask_experts(pass& p) {
  const auto batch =
      experts::expert_batch{p.layer_, p.rows(), model_.config.hidden,
                            std::span<const float>{normed_}.first(p.x_.size()), assignments_};
  if (p.dispatches_ != 0) {
    p.rounds_.exchange(batch, p.moe_out_);
  } else {
    LARQL_TRY(p.ticket_, experts_.start(batch));
  }
  p.is_open_ = true;
  return {};
}

void forward::count_calls(pass& p, const experts::call_stats& calls) {
  p.stats_.add_layer(calls);
  p.makers_ |= calls.makers;
  if (on_calls && calls.calls != 0)
    on_calls(calls);
}

result<void> forward::wait_for_experts(pass& p, const std::stop_token& stop) {
  p.sums_.assign(p.x_.size(), 0);
  auto summed = p.ticket_->wait(p.sums_, stop);
  count_calls(p, p.ticket_->stats());
  p.ticket_.drop();
  LARQL_TRY_VOID(std::move(summed));
  compute_.k.fixed_to_float(p.sums_.data(), p.x_.size(), p.moe_out_.data());
  return {};
}

// x = (x + norm(dense + norm(experts))) * layer_scalar
result<void> forward::finish_layer(pass& p, const std::stop_token& stop) {
  LARQL_CHECK(p.is_waiting());
  if (p.rounds_.is_under_way())
    return collect(p, stop);
  const auto& t = model_.weights.layers[p.layer_];
  const auto& k = compute_.k;
  const auto rows = p.rows();
  auto& x = p.x_;
  auto& moe_out = p.moe_out_;
  auto& times = p.stats_.times;
  auto clock = phase_clock{};
  if (p.ticket_) {
    LARQL_TRY_VOID(wait_for_experts(p, stop));
  }
  clock.lap(times.experts);
  norm_rows(rows, moe_out.data(), t.post_expert_norm, moe_out.data());

  k.add(p.branch_.data(), moe_out.data(), x.size());
  norm_rows(rows, p.branch_.data(), t.post_ffn_norm, p.branch_.data());
  k.add(x.data(), p.branch_.data(), x.size());
  k.scale(x.data(), t.layer_scalar, x.size());
  clock.lap(times.combine);
  if (on_layer)
    on_layer(p.layer_, x);
  p.is_open_ = false;
  if (p.layer_ + 1 == model_.config.layers && p.rounds_.round() < p.dispatches_)
    return end_round(p);
  if (p.layer_ + 1 == model_.config.layers)
    LARQL_TRY_VOID(check_finite(p)); // logits of NaN would be anything
  ++p.layer_;
  return {};
}

// The next round begins where this one has found what is exact.
result<void> forward::end_round(pass& p) {
  auto clock = phase_clock{};
  p.layer_ = p.rounds_.round();
  p.x_ = p.entry_;
  auto started = p.rounds_.dispatch(experts_);
  clock.lap(p.stats_.times.experts);
  return started;
}

result<void> forward::collect(pass& p, const std::stop_token& stop) {
  auto clock = phase_clock{};
  auto taken = p.rounds_.collect(experts_, compute_.k, stop);
  clock.lap(p.stats_.times.experts);
  if (!p.rounds_.is_under_way()) // ended, or failed
    count_calls(p, p.rounds_.stats());
  return taken;
}

void forward::norm_rows(std::uint32_t rows, const float* in, std::span<const float> weight,
                        float* out) {
  const auto hidden = std::size_t{model_.config.hidden};
  compute_.pool.parallel_for(rows, 8, [&](std::size_t begin, std::size_t end, unsigned) {
    for (auto r = begin; r < end; ++r)
      compute_.k.rms_norm(in + r * hidden, weight.data(), hidden, model_.config.rms_eps,
                          out + r * hidden);
  });
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
  clock.lap(head_time_);
  if (!finite.load())
    return not_finite("logits");
  return std::span<const float>{logits_};
}

} // namespace larql::gemma4
