#include "tests/support/plain_drafter.hpp"

#include "runtime/quant/blocks.hpp"
#include "runtime/quant/half.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace larql::test {

namespace {

using numbers = std::vector<double>;

numbers row_of(const quant::matrix_view& w, std::size_t row, std::size_t cols) {
  auto stored = std::vector<float>(w.cols);
  quant::dequantize_row(w.format, w.row(row), w.cols, stored.data());
  return {stored.begin(), stored.begin() + static_cast<std::ptrdiff_t>(cols)};
}

double dot(const numbers& a, const numbers& b) {
  auto sum = 0.0;
  for (auto i = std::size_t{0}; i < a.size(); ++i)
    sum += a[i] * b[i];
  return sum;
}

numbers product(const quant::matrix_view& w, const numbers& x) {
  auto out = numbers(w.rows);
  for (auto r = std::size_t{0}; r < w.rows; ++r)
    out[r] = dot(row_of(w, r, x.size()), x);
  return out;
}

numbers normed(const numbers& x, std::span<const float> weight, double eps) {
  const auto factor = 1 / std::sqrt(dot(x, x) / static_cast<double>(x.size()) + eps);
  auto out = x;
  for (auto i = std::size_t{0}; i < x.size(); ++i)
    out[i] *= factor * static_cast<double>(weight[i]);
  return out;
}

void add(numbers& x, const numbers& y) {
  for (auto i = std::size_t{0}; i < x.size(); ++i)
    x[i] += y[i];
}

double gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

// Sliding: all pairs, over the whole head. Full: the first part of them, with the same denominator.
void rotate(double* x, std::size_t dim, std::uint32_t position, double base, std::size_t pairs) {
  for (auto i = std::size_t{0}; i < pairs; ++i) {
    const auto angle =
        position * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(dim));
    const auto a = x[i], b = x[i + dim / 2];
    x[i] = a * std::cos(angle) - b * std::sin(angle);
    x[i + dim / 2] = b * std::cos(angle) + a * std::sin(angle);
  }
}

// Number `i` of the key, or value, of a head at a place of a run.
double cached(const std::byte* rows, gemma4::kv_format format, std::size_t at) {
  if (format == gemma4::kv_format::f32) {
    auto x = 0.0f;
    std::memcpy(&x, rows + at * sizeof x, sizeof x);
    return static_cast<double>(x);
  }
  auto half = std::uint16_t{0};
  std::memcpy(&half, rows + at * sizeof half, sizeof half);
  return static_cast<double>(quant::half_to_float(half));
}

} // namespace

numbers plain_drafter::attend(std::uint32_t l, const generate::sequence& read, numbers q) const {
  const auto& c = target_.config;
  const auto sliding = config_.sliding[l];
  const auto dim = std::size_t{sliding ? c.head_dim : c.global_head_dim};
  const auto groups = config_.q_heads / (sliding ? c.kv_heads : c.global_kv_heads);
  auto layer = c.layers - 1;
  while (c.sliding[layer] != sliding)
    --layer;
  const auto position = read.size(); // of the token that came last, which has no key yet
  const auto first = sliding && position >= c.window ? position + 1 - c.window : 0;
  auto runs = std::vector<gemma4::kv_run>{};
  read.cache().read(layer, first, position, runs);
  const auto format = read.cache().format();
  auto out = numbers(q.size());
  for (auto h = std::size_t{0}; h < config_.q_heads; ++h) {
    auto* own = q.data() + h * dim;
    auto head =
        normed({own, own + dim}, weights_.layers[l].q_norm, static_cast<double>(config_.rms_eps));
    const auto pairs =
        sliding ? dim / 2
                : static_cast<std::size_t>(c.partial_rotary * static_cast<double>(dim / 2));
    rotate(head.data(), dim, position, sliding ? c.rope_local_base : c.rope_base, pairs);
    auto sum = 0.0;
    auto mixed = numbers(dim);
    for (const auto& run : runs)
      for (auto i = 0u; i < run.count; ++i) {
        const auto offset = (h / groups) * run.head_stride;
        auto score = 0.0;
        for (auto d = std::size_t{0}; d < dim; ++d)
          score += head[d] * cached(run.keys + offset, format, i * dim + d);
        const auto weight = std::exp(score);
        sum += weight;
        for (auto d = std::size_t{0}; d < dim; ++d)
          mixed[d] += weight * cached(run.values + offset, format, i * dim + d);
      }
    for (auto d = std::size_t{0}; d < dim; ++d)
      out[h * dim + d] = mixed[d] / sum;
  }
  return out;
}

void plain_drafter::run_layer(std::uint32_t l, const generate::sequence& read, numbers& x) const {
  const auto& t = weights_.layers[l];
  const auto eps = static_cast<double>(config_.rms_eps);
  const auto mixed = attend(l, read, product(t.q, normed(x, t.input_norm, eps)));
  add(x, normed(product(t.o, mixed), t.post_attention_norm, eps));
  const auto in = normed(x, t.pre_dense_norm, eps);
  auto hidden = product(t.gate, in);
  const auto up = product(t.up, in);
  for (auto i = std::size_t{0}; i < hidden.size(); ++i)
    hidden[i] = gelu(hidden[i]) * up[i];
  add(x, normed(product(t.down, hidden), t.post_ffn_norm, eps));
  for (auto& v : x)
    v *= static_cast<double>(t.layer_scalar);
}

std::vector<numbers> plain_drafter::logits(const generate::sequence& read,
                                           const std::vector<std::uint32_t>& tokens) const {
  const auto& c = target_.config;
  const auto row = *read.row_at(read.size() - 1);
  auto hidden =
      normed({row.begin(), row.end()}, target_.weights.final_norm, static_cast<double>(c.rms_eps));
  auto out = std::vector<numbers>{};
  for (const auto token : tokens) {
    auto in = row_of(target_.weights.embeddings, token, c.hidden);
    for (auto& v : in)
      v *= static_cast<double>(c.embed_scale);
    in.insert(in.end(), hidden.begin(), hidden.end());
    auto x = product(weights_.pre_projection, in);
    for (auto l = 0u; l < config_.layers(); ++l)
      run_layer(l, read, x);
    x = normed(x, weights_.final_norm, static_cast<double>(config_.rms_eps));
    out.push_back(product(weights_.head, x));
    hidden = product(weights_.post_projection, x);
  }
  return out;
}

} // namespace larql::test
