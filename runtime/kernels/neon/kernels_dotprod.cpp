// ref/kernels.cpp with NEON and its dot product of bytes. Same bits.

#include "runtime/kernels/kernel_table.hpp"
#include "runtime/kernels/neon/dot.hpp"
#include "runtime/kernels/neon/simd16.hpp"

namespace larql::kernels {

namespace {

struct products {
  template <quant::encoding E>
  static consteval kernel_set::matmul_fn matmul() {
    if constexpr (neon::is_supported(quant::block_traits<E>))
      return neon::dot_rows<E>;
    else
      return matmul_of<kernels_ref, E>;
  }
};

} // namespace

constinit const kernel_set kernels_neon =
    make_table<simd16_neon>(simd_level::neon, matmul_table<products>());

} // namespace larql::kernels
