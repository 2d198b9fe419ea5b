// Input rows of a matrix product, in the representation that the matrix wants: plain floats, or
// 8-bit integers with a scale per 32 or 256.
//
// Shapes    rows × cols; `cols` includes the zero padding up to a whole block.
// Numerics  Block of n values: scale = max|x| / 127; q = x * (127 / max|x|) rounded to nearest,
//           ties to even; a block whose max|x| is below 2^-100 becomes zeros. q stays within ±127.
//           Rounding happens here and nowhere else, so a row that was rounded on the laptop and
//           sent to a node gives the bits that local computation gives.
// Owner     activation_rows owns its buffers and keeps them between uses; no allocation once it has
//           seen the largest batch.
// Threads   Different rows may be filled from different threads.

#pragma once

#include "runtime/quant/encoding.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace larql::kernels {

using quant::activation_format;
struct kernel_set;

/// Values that share one scale; 1 for plain floats.
[[nodiscard]] constexpr std::uint32_t scale_block(activation_format f) noexcept {
  switch (f) {
  case activation_format::f32: return 1;
  case activation_format::q8_32: return 32;
  case activation_format::q8_256: return 256;
  }
  return 1;
}

/// Values that share one sum in `activation_view::sums`.
[[nodiscard]] constexpr std::uint32_t sum_block(activation_format f) noexcept {
  return f == activation_format::q8_256 ? 16 : 32;
}

/// Rows that somebody else owns.
struct activation_view {
  activation_format format = activation_format::f32;
  std::uint32_t rows = 0;
  std::uint32_t cols = 0;
  std::size_t scale_stride = 0;       ///< Scales per row, rounded up to 16 with zeros.
  std::size_t sum_stride = 0;         ///< Sums per row, zeros after the last.
  const float* f32 = nullptr;         ///< [rows][cols]; f32 only
  const std::int8_t* q = nullptr;     ///< [rows][cols]; 8-bit formats only, as all below
  const float* scale = nullptr;       ///< [rows][scale_stride]
  const std::int16_t* sums = nullptr; ///< [rows][sum_stride]: sums of sum_block() consecutive q
};

class activation_rows {
public:
  /// Makes room for `rows` inputs of a matrix that stores `stored_cols` columns, of which the first
  /// `real_cols` are not padding. The format is the one the matrix wants.
  void reset(activation_format format, std::uint32_t rows, std::uint32_t real_cols,
             std::uint32_t stored_cols);
  void reset(activation_format format, std::uint32_t rows, std::uint32_t cols) {
    reset(format, rows, cols,
          (cols + scale_block(format) - 1) / scale_block(format) * scale_block(format));
  }

  /// Fills row `row` from `real_cols` floats.
  void set_row(const kernel_set& k, std::uint32_t row, std::span<const float> x);

  /// Fills row `row` from numbers that were rounded elsewhere (a peer's message).
  /// @pre sizes match the padded width; every scale is finite; q within ±127
  void set_row_q8(std::uint32_t row, std::span<const std::int8_t> q, std::span<const float> scale);

  /// Copies row `from_row` of `other`, which has the same format and width.
  void copy_row(std::uint32_t row, const activation_view& other, std::uint32_t from_row);

  [[nodiscard]] activation_view view() const noexcept;

private:
  activation_format format_ = activation_format::f32;
  std::uint32_t rows_ = 0;
  std::uint32_t real_cols_ = 0;
  std::uint32_t cols_ = 0;
  std::size_t scale_stride_ = 0;
  std::size_t sum_stride_ = 0;
  std::vector<float> f32_;
  std::vector<std::int8_t> q_;
  std::vector<float> scale_;
  std::vector<std::int16_t> sums_;
};

} // namespace larql::kernels
