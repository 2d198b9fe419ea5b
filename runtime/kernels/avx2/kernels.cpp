// ref/kernels.cpp with AVX2, FMA and F16C. Same bits.

#include "runtime/kernels/avx2/matmul.hpp"
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

using quant::encoding;

} // namespace

constinit const kernel_set kernels_avx2 = make_table<simd16_avx2>(
    simd_level::avx2, {matmul_tiles<isa, encoding::f32>, matmul_tiles<isa, encoding::f16>,
                       matmul_tiles<isa, encoding::bf16>, matmul_tiles<isa, encoding::q8_0>,
                       matmul_tiles<isa, encoding::q4_0>, matmul_tiles<isa, encoding::q5_0>,
                       matmul_tiles<isa, encoding::q5_1>, matmul_tiles<isa, encoding::iq4_nl>,
                       matmul_tiles<isa, encoding::q4_k>, matmul_tiles<isa, encoding::q5_k>,
                       matmul_tiles<isa, encoding::q6_k>});

} // namespace larql::kernels

#endif
