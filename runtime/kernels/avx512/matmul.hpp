// The products of one encoding's weights, AVX-512: by rows for few inputs, by tiles of rows for
// more. Included by matmul_*.cpp only, each of which compiles those of some encodings: together
// they would keep a compiler busy for most of a minute.

#pragma once

#include "runtime/kernels/avx512/dot_block256.hpp"
#include "runtime/kernels/avx512/gemv_block256.hpp"
#include "runtime/kernels/avx512/gemv_block32.hpp"
#include "runtime/kernels/avx512/products.hpp"
#include "runtime/kernels/avx512/simd16.hpp"
#include "runtime/kernels/avx512/tile_dispatch.hpp"
#include "runtime/kernels/kernel_table.hpp"
#include "runtime/kernels/matmul_tiles.hpp"

namespace larql::kernels::avx512 {

namespace {

struct isa {
  template <quant::encoding E>
  static constexpr std::size_t tile_rows = avx512::tile_rows<E>;
  template <quant::encoding E>
  static constexpr std::size_t most_tile_rows = avx512::most_tile_rows<E>;
  template <quant::encoding E>
  static constexpr std::size_t tile_inputs = avx512::tile_inputs<E>;
  template <quant::encoding E>
  static void tile(const std::uint8_t* base, std::size_t stride, std::size_t rows,
                   const activation_view& x, std::size_t input, std::size_t inputs, float* out,
                   std::size_t out_stride) {
    avx512::tile<E>(base, stride, rows, x, input, inputs, out, out_stride);
  }
  template <quant::encoding E, int Inputs>
  static void dot(const std::uint8_t* row, const activation_view& x, std::size_t input, float* out,
                  std::size_t out_stride) {
    avx512::dot<E, Inputs>(row, x, input, out, out_stride);
  }
};

using quant::encoding;

// From so many inputs on, tiles of rows are faster than rows.
template <encoding E>
constexpr std::size_t least_tile_inputs = quant::block_traits<E>.weights == 32 ? 5 : 2;

template <encoding E>
void matmul(const quant::matrix_view& w, std::size_t row_begin, std::size_t row_end,
            const activation_view& x, std::size_t input_begin, std::size_t input_end, float* out,
            std::size_t out_stride) noexcept {
  const auto inputs = input_end - input_begin;
  const auto stride = w.stride_bytes();
  const auto* base = reinterpret_cast<const std::uint8_t*>(w.data);
  if constexpr (has_gemv256<E>) {
    if (inputs <= gemv256_inputs && x.cols <= gemv256_cols) {
      const auto run = [&]<int Inputs>() {
        gemv_block256<E, Inputs>(base + row_begin * stride, stride, row_end - row_begin, x,
                                 input_begin, out, out_stride);
      };
      switch (inputs) {
      case 1: return run.template operator()<1>();
      case 2: return run.template operator()<2>();
      case 3: return run.template operator()<3>();
      default: return;
      }
    }
  }
  if constexpr (has_gemv_halves<E>)
    if (inputs == 1 && x.cols <= gemv32_bytes)
      return gemv_halves<E>(base + row_begin * stride, stride, row_end - row_begin, x, input_begin,
                            out);
  if (inputs >= least_tile_inputs<E>) {
    const auto rest =
        whole_tiles<isa, E>(w, row_begin, row_end, x, input_begin, input_end, out, out_stride);
    out += rest - row_begin;
    row_begin = rest;
  }
  if (row_begin == row_end)
    return;
  if constexpr (quant::block_traits<E>.weights != 32)
    matmul_tiles<isa, E>(w, row_begin, row_end, x, input_begin, input_end, out, out_stride);
  else if (gemv32_width(x.cols) <= gemv32_bytes)
    gemv_block32<E>(base + row_begin * stride, stride, row_end - row_begin, x, input_begin, inputs,
                    out, out_stride);
  else
    matmul_of<kernels_avx2, E>(w, row_begin, row_end, x, input_begin, input_end, out, out_stride);
}

/// The products of the encodings that are in Part; no function for the others.
template <product_part Part>
consteval product_table products_of() {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    constexpr auto one = []<encoding E>() -> kernel_set::matmul_fn {
      if constexpr (part_of(quant::block_traits<E>) != Part)
        return nullptr;
      else if constexpr (is_supported(quant::block_traits<E>))
        return matmul<E>;
      else
        return matmul_of<kernels_avx2, E>;
    };
    return product_table{one.template operator()<static_cast<encoding>(I)>()...};
  }
  (std::make_index_sequence<quant::encoding_count>{});
}

} // namespace

} // namespace larql::kernels::avx512
