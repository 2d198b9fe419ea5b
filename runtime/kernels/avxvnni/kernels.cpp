// ref/kernels.cpp with AVX2, FMA, F16C and AVX-VNNI. Same bits.

#include "runtime/kernels/avxvnni/row_lanes.hpp"
#include "runtime/kernels/kernel_table.hpp"
#include "runtime/kernels/matmul_tiles.hpp"

#if defined(__AVXVNNI__)

namespace larql::kernels {

namespace {

using quant::encoding;

template <encoding E>
void multiply(const quant::matrix_view& w, std::size_t row_begin, std::size_t row_end,
              const activation_view& x, std::size_t input_begin, std::size_t input_end, float* out,
              std::size_t out_stride) noexcept {
  const auto few =
      quant::block_traits<E>.weights > 1 && input_end - input_begin < least_tile_inputs;
  const auto f = few ? matmul_of<kernels_avx2, E> : matmul_by_tiles<row_lanes_avxvnni, E>;
  f(w, row_begin, row_end, x, input_begin, input_end, out, out_stride);
}

struct products {
  template <encoding E>
  static consteval kernel_set::matmul_fn matmul() {
    if constexpr (has_tiles(quant::block_traits<E>))
      return multiply<E>;
    else
      return matmul_of<kernels_avx2, E>;
  }
};

} // namespace

constinit const kernel_set kernels_avxvnni =
    make_table<simd16_avx2>(simd_level::avxvnni, matmul_table<products>());

} // namespace larql::kernels

#endif
