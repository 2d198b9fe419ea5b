// Matrix products spread over the compute pool.
//
// Numerics  Defined by the kernel set; the split over threads changes nothing.
// Threads   One caller at a time per `compute`.

#pragma once

#include "runtime/base/compute_pool.hpp"
#include "runtime/kernels/activations.hpp"
#include "runtime/kernels/kernel_set.hpp"

#include <span>
#include <vector>

namespace larql::kernels {

/// What every computing part is given: the instruction set and the threads.
struct compute {
  const kernel_set& k;
  compute_pool& pool;
};

/// Rows of numbers in every representation that the matrices they meet want. Buffers are kept
/// between uses.
class quantized_inputs {
public:
  /// Takes `rows` × `cols` floats, `stride` apart. Nothing is copied; x must stay until the last
  /// view().
  void bind(const float* x, std::uint32_t rows, std::uint32_t cols, std::size_t stride);

  /// Makes the representation for `w` if it is not there yet. Call before view(), from one thread.
  void quantize(const compute& c, const quant::matrix_view& w) {
    quantize(c, quant::activation_for(w.format), w.cols);
  }
  /// The same in `format`, with `stored_cols` columns.
  void quantize(const compute& c, activation_format format, std::uint32_t stored_cols);

  /// @pre prepared
  [[nodiscard]] activation_view view(const quant::matrix_view& w) const {
    return view(quant::activation_for(w.format), w.cols);
  }
  [[nodiscard]] activation_view view(activation_format format, std::uint32_t stored_cols) const;

private:
  struct representation {
    activation_format format;
    std::uint32_t stored_cols;
    bool ready = false;
    activation_rows rows;
  };
  [[nodiscard]] const representation* find(activation_format format,
                                           std::uint32_t stored_cols) const;

  const float* x_ = nullptr;
  std::uint32_t rows_ = 0;
  std::uint32_t cols_ = 0;
  std::size_t stride_ = 0;
  std::vector<representation> representations_;
};

/// out[i * out_stride + r] = w.scale * (w.row(r) · x[i]) for all rows and inputs.
struct linear_job {
  quant::matrix_view w;
  float* out = nullptr;
  std::size_t out_stride = 0;
};

/// Computes several products of the same inputs in one parallel loop.
void matmul(const compute& c, quantized_inputs& x, std::span<const linear_job> jobs);

/// out[i * out_stride + j] = f(gate.row(j) · x[i]) * (up.row(j) · x[i]) for rows [begin, end), each
/// product times the scale of its matrix. `scratch` holds at least gated_scratch(end - begin,
/// inputs) floats. False if a product of gate or up is not finite.
bool gated_rows(const kernel_set& k, quant::activation_function f, const quant::matrix_view& gate,
                const quant::matrix_view& up, const activation_view& x_gate,
                const activation_view& x_up, std::size_t begin, std::size_t end, float* out,
                std::size_t out_stride, float* scratch);
[[nodiscard]] constexpr std::size_t gated_scratch(std::size_t rows, std::size_t inputs) {
  return 2 * rows * inputs;
}

/// Rows per task of a parallel loop over a matrix: enough bytes to hide the cost of a task, few
/// enough that threads end together.
[[nodiscard]] std::size_t row_grain(const quant::matrix_view& w) noexcept;

} // namespace larql::kernels
