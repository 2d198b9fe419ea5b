// ref/kernels.cpp with AVX2, FMA, F16C and AVX-VNNI. Same bits.

#include "runtime/kernels/avxvnni/row_lanes.hpp"
#include "runtime/kernels/kernel_table.hpp"
#include "runtime/kernels/matmul_tiles.hpp"

#if defined(__AVXVNNI__)

namespace larql::kernels {

namespace {

struct products {
  template <quant::encoding E>
  static consteval kernel_set::matmul_fn matmul() {
    if constexpr (has_tiles(quant::block_traits<E>))
      return matmul_by_tiles<row_lanes_avxvnni, E>;
    else
      return matmul_of<kernels_avx2, E>;
  }
};

} // namespace

constinit const kernel_set kernels_avxvnni =
    make_table<simd16_avx2>(simd_level::avxvnni, matmul_table<products>());

} // namespace larql::kernels

#endif
