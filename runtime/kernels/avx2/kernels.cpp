// ref/kernels.cpp with AVX2, FMA and F16C. Same bits.

#include "runtime/kernels/avx2/row_lanes.hpp"
#include "runtime/kernels/avx2/simd16.hpp"
#include "runtime/kernels/kernel_table.hpp"
#include "runtime/kernels/matmul_tiles.hpp"

#if defined(__AVX2__)

namespace larql::kernels {

namespace {

struct products {
  template <quant::encoding E>
  static consteval kernel_set::matmul_fn matmul() {
    if constexpr (has_tiles(quant::block_traits<E>))
      return matmul_by_tiles<row_lanes_avx2, E>;
    else
      return matmul_of<kernels_ref, E>;
  }
};

} // namespace

constinit const kernel_set kernels_avx2 =
    make_table<simd16_avx2>(simd_level::avx2, matmul_table<products>());

} // namespace larql::kernels

#endif
