#include "runtime/kernels/linear.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::kernels {

namespace {

constexpr std::size_t bytes_per_task = 128 << 10;

} // namespace

std::size_t row_grain(const quant::matrix_view& w) noexcept {
  const auto rows = bytes_per_task / std::max<std::uint64_t>(w.stride_bytes(), 1);
  return std::clamp<std::size_t>(rows / 32 * 32, 32, 256); // whole tiles, tile_block256.hpp
}

void quantized_inputs::bind(const float* x, std::uint32_t rows, std::uint32_t cols,
                            std::size_t stride) {
  x_ = x;
  rows_ = rows;
  cols_ = cols;
  stride_ = stride;
  for (auto& f : representations_)
    f.ready = false;
}

const quantized_inputs::representation* quantized_inputs::find(const quant::matrix_view& w) const {
  const auto format = quant::activation_for(w.format);
  const auto it =
      std::find_if(representations_.begin(), representations_.end(), [&](const representation& f) {
        return f.format == format && f.stored_cols == w.cols;
      });
  return it == representations_.end() ? nullptr : &*it;
}

void quantized_inputs::quantize(const compute& c, const quant::matrix_view& w) {
  const auto* found = find(w);
  if (found == nullptr) {
    representations_.push_back({quant::activation_for(w.format), w.cols, false, {}});
    found = &representations_.back();
  }
  auto& f = representations_[static_cast<std::size_t>(found - representations_.data())];
  if (f.ready)
    return;
  f.rows.reset(f.format, rows_, cols_, w.cols);
  c.pool.parallel_for(rows_, 4, [&](std::size_t begin, std::size_t end, unsigned) {
    for (auto i = begin; i < end; ++i)
      f.rows.set_row(c.k, static_cast<std::uint32_t>(i), {x_ + i * stride_, cols_});
  });
  f.ready = true;
}

activation_view quantized_inputs::view(const quant::matrix_view& w) const {
  const auto* f = find(w);
  LARQL_CHECK(f != nullptr && f->ready);
  return f->rows.view();
}

void matmul(const compute& c, quantized_inputs& x, std::span<const linear_job> jobs) {
  // Tasks are numbered through all products: product p starts at task first[p].
  constexpr std::size_t max_products = 8;
  LARQL_CHECK(jobs.size() <= max_products);
  std::size_t first[max_products + 1] = {};
  for (auto p = std::size_t{0}; p < jobs.size(); ++p) {
    x.quantize(c, jobs[p].w);
    const auto grain = row_grain(jobs[p].w);
    first[p + 1] = first[p] + (jobs[p].w.rows + grain - 1) / grain;
  }
  c.pool.parallel_for(first[jobs.size()], 1, [&](std::size_t begin, std::size_t end, unsigned) {
    for (auto task = begin; task < end; ++task) {
      auto p = std::size_t{0};
      while (task >= first[p + 1])
        ++p;
      const auto& job = jobs[p];
      const auto grain = row_grain(job.w);
      const auto row = (task - first[p]) * grain;
      const auto view = x.view(job.w);
      const auto row_end = std::min<std::size_t>(row + grain, job.w.rows);
      c.k.matmul[static_cast<std::size_t>(job.w.format)](job.w, row, row_end, view, 0, view.rows,
                                                         job.out + row, job.out_stride);
      if (job.w.scale != 1)
        for (auto i = std::size_t{0}; i < view.rows; ++i)
          c.k.scale(job.out + i * job.out_stride + row, job.w.scale, row_end - row);
    }
  });
}

bool gated_rows(const kernel_set& k, quant::activation_function f, const quant::matrix_view& gate,
                const quant::matrix_view& up, const activation_view& x_gate,
                const activation_view& x_up, std::size_t begin, std::size_t end, float* out,
                std::size_t out_stride, float* scratch) {
  const auto n = end - begin;
  const auto inputs = x_gate.rows;
  auto* g = scratch;
  auto* u = scratch + n * inputs;
  k.matmul[static_cast<std::size_t>(gate.format)](gate, begin, end, x_gate, 0, inputs, g, n);
  k.matmul[static_cast<std::size_t>(up.format)](up, begin, end, x_up, 0, inputs, u, n);
  if (gate.scale != 1)
    k.scale(g, gate.scale, n * inputs);
  if (up.scale != 1)
    k.scale(u, up.scale, n * inputs);
  const auto gated_mul = k.gated_mul[static_cast<std::size_t>(f)];
  auto finite = true;
  for (auto i = std::size_t{0}; i < inputs; ++i)
    finite &= gated_mul(g + i * n, u + i * n, n, out + i * out_stride + begin);
  return finite;
}

} // namespace larql::kernels
