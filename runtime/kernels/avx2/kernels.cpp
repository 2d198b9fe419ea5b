// ref/kernels.cpp with AVX2, FMA and F16C. Same bits.

#include "runtime/kernels/avx2/dot.hpp"
#include "runtime/kernels/avx2/simd16.hpp"
#include "runtime/kernels/kernel_table.hpp"
#include "runtime/kernels/matmul_tiles.hpp"

#if defined(__AVX2__)

namespace larql::kernels {

namespace {

struct isa {
  template <quant::encoding E, int Inputs>
  static void dot(const std::uint8_t* row, const activation_view& x, std::size_t input, float* out,
                  std::size_t out_stride) {
    avx2::dot<E, Inputs>(row, x, input, out, out_stride);
  }
};

struct products {
  template <quant::encoding E>
  static consteval kernel_set::matmul_fn matmul() {
    if constexpr (avx2::is_supported(quant::block_traits<E>))
      return matmul_tiles<isa, E>;
    else
      return matmul_of<kernels_ref, E>;
  }
};

} // namespace

constinit const kernel_set kernels_avx2 =
    make_table<simd16_avx2>(simd_level::avx2, matmul_table<products>());

} // namespace larql::kernels

#endif
