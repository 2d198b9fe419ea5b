#include "runtime/kernels/activations.hpp"

#include "runtime/base/check.hpp"
#include "runtime/kernels/kernel_set.hpp"

#include <algorithm>

namespace larql::kernels {

namespace {

constexpr std::size_t round_up(std::size_t n, std::size_t to) {
  return (n + to - 1) / to * to;
}

} // namespace

void activation_rows::reset(activation_format format, std::uint32_t rows, std::uint32_t real_cols,
                            std::uint32_t stored_cols) {
  const auto block = scale_block(format);
  LARQL_CHECK(real_cols <= stored_cols && stored_cols % block == 0);
  format_ = format;
  rows_ = rows;
  real_cols_ = real_cols;
  cols_ = stored_cols;
  if (format == activation_format::f32) {
    scale_stride_ = sum_stride_ = 0;
    f32_.resize(std::size_t{rows} * cols_);
    return;
  }
  scale_stride_ = round_up(cols_ / block, 16);
  sum_stride_ = scale_stride_ * (block / sum_block(format));
  q_.resize(std::size_t{rows} * cols_);
  scale_.resize(rows * scale_stride_);
  sums_.resize(rows * sum_stride_);
}

void activation_rows::set_row(const kernel_set& k, std::uint32_t row, std::span<const float> x) {
  LARQL_CHECK(row < rows_ && x.size() == real_cols_);
  if (format_ == activation_format::f32) {
    auto* out = f32_.data() + std::size_t{row} * cols_;
    std::fill(std::copy(x.begin(), x.end(), out), out + cols_, 0.0f);
    return;
  }
  auto* q = q_.data() + std::size_t{row} * cols_;
  auto* scale = scale_.data() + row * scale_stride_;
  auto* sums = sums_.data() + row * sum_stride_;
  const auto quantize = format_ == activation_format::q8_256 ? k.quantize_q8_256 : k.quantize_q8_32;
  quantize(x.data(), x.size(), q, scale, sums);
  const auto blocks = round_up(real_cols_, scale_block(format_)) / scale_block(format_);
  std::fill(q + blocks * scale_block(format_), q + cols_, std::int8_t{0});
  std::fill(scale + blocks, scale + scale_stride_, 0.0f);
  const auto sums_per_block = scale_block(format_) / sum_block(format_);
  std::fill(sums + blocks * sums_per_block, sums + sum_stride_, std::int16_t{0});
}

void activation_rows::set_row_q8(std::uint32_t row, std::span<const std::int8_t> q,
                                 std::span<const float> scale) {
  LARQL_CHECK(row < rows_ && format_ != activation_format::f32);
  LARQL_CHECK(q.size() == cols_ && scale.size() == cols_ / scale_block(format_));
  std::copy(q.begin(), q.end(), q_.begin() + static_cast<std::ptrdiff_t>(row) * cols_);
  auto* out_scale = scale_.data() + row * scale_stride_;
  std::fill(std::copy(scale.begin(), scale.end(), out_scale), out_scale + scale_stride_, 0.0f);
  auto* sums = sums_.data() + row * sum_stride_;
  const auto block = sum_block(format_);
  for (auto i = std::size_t{0}; i < sum_stride_; ++i) {
    auto sum = 0;
    for (auto j = i * block; j < (i + 1) * block && j < cols_; ++j)
      sum += q[j];
    sums[i] = static_cast<std::int16_t>(sum);
  }
}

void activation_rows::copy_row(std::uint32_t row, const activation_view& other,
                               std::uint32_t from_row) {
  LARQL_CHECK(row < rows_ && from_row < other.rows && other.format == format_ &&
              other.cols == cols_);
  const auto copy = [&](auto& to, const auto* from, std::size_t stride) {
    std::copy_n(from + from_row * stride, stride,
                to.begin() + static_cast<std::ptrdiff_t>(row * stride));
  };
  if (format_ == activation_format::f32) {
    copy(f32_, other.f32, cols_);
    return;
  }
  copy(q_, other.q, cols_);
  copy(scale_, other.scale, scale_stride_);
  copy(sums_, other.sums, sum_stride_);
}

activation_view activation_rows::view() const noexcept {
  return {format_,     rows_,     cols_,         scale_stride_, sum_stride_,
          f32_.data(), q_.data(), scale_.data(), sums_.data()};
}

} // namespace larql::kernels
